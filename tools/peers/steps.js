// A client's day in steps, as steps.py has it for Python: one line of JSON for each.
'use strict'

// Any single step of a client takes milliseconds on the loopback; some back off for seconds.
const STEP_MS = 20_000
const MAX_KEPT = 10_000

const where = JSON.parse(process.argv[2])
let failed = false

function say(name, succeeded, value) {
  failed ||= !succeeded
  process.stdout.write(JSON.stringify([name, succeeded, String(value)]) + '\n')
}

function words(error) {
  const said = error?.response?.data ?? error?.body ?? error
  const fields = typeof said === 'object' ? JSON.stringify(said) : String(said)
  return `${error?.constructor?.name}: ${error?.message ?? ''} ${fields}`
}

function within(promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${STEP_MS} ms`)), STEP_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// Runs `act`, which returns what it saw and throws when that is wrong; a failure does not end the day.
async function step(name, act) {
  try {
    say(name, true, await within(Promise.resolve().then(act)))
  } catch (error) {
    say(name, false, words(error))
  }
}

// Holds that `act` is refused with these words (a code) of the venue.
async function refused(name, code, act) {
  try {
    await within(Promise.resolve().then(act))
  } catch (error) {
    say(name, words(error).includes(String(code)), words(error))
    return
  }
  say(name, false, 'accepted')
}

function hold(condition, seen) {
  if (!condition) throw new Error(`not as it should be: ${JSON.stringify(seen)}`)
  return seen
}

// Messages of a stream; `next` gives, or waits for, the first that is wanted.
class Messages {
  #waiting = []
  #kept = []

  put(message) {
    const index = this.#waiting.findIndex(({ wanted }) => wanted(message))
    if (index >= 0) this.#waiting.splice(index, 1)[0].resolve(message)
    else if (this.#kept.push(message) > MAX_KEPT) this.#kept.shift()
  }

  next(wanted = () => true) {
    const index = this.#kept.findIndex(wanted)
    if (index >= 0) return Promise.resolve(this.#kept.splice(index, 1)[0])
    return within(new Promise((resolve) => this.#waiting.push({ wanted, resolve })))
  }
}

// Prices a tenth away from the best, where nothing trades, as the venue writes them.
const below = (best) => (Number(best) * 0.9).toFixed(2)
const above = (best) => (Number(best) * 1.1).toFixed(2)

// Runs the day and exits, with 1 when a step failed.
function live(day) {
  day()
    .catch((error) => say('the day', false, words(error)))
    .then(() => process.exit(failed ? 1 : 0))
}

module.exports = { where, step, refused, hold, Messages, below, above, live, SYMBOL: 'BTCUSDT', SIZE: '0.01' }
