// node-binance-api: REST, streams, its depth cache, its user data over the WebSocket API.
//
// Its option `urls` has no entry for the WebSocket API: that one is set in the field which holds it.
'use strict'

const Binance = require('node-binance-api')
const { where, step, refused, hold, Messages, below, above, live, SYMBOL, SIZE } = require('../steps.js')

live(async () => {
  const client = new Binance({
    APIKEY: where.api_key,
    APISECRET: where.api_secret,
    urls: {
      base: `${where.rest}/api/`,
      sapi: `${where.rest}/sapi/`,
      stream: `${where.stream}/ws/`,
      combineStream: `${where.stream}/stream?streams=`,
    },
  })
  client.wsApi = where.ws_api
  let bid, order
  await step('exchangeInfo', async () => (await client.exchangeInfo()).symbols.map((s) => s.symbol))
  await step('prices', async () => (await client.prices())[SYMBOL])
  await step('depth', async () => {
    const book = await client.depth(SYMBOL)
    bid = book.bids[0].price
    return hold(bid > 0, bid)
  })
  await step('candlesticks', async () => hold((await client.candlesticks(SYMBOL, '1m')).length > 0, '1m'))
  for (const [name, open] of [
    ['websockets.trades', (put) => client.websockets.trades([SYMBOL], put)],
    ['websockets.bookTickers', (put) => client.websockets.bookTickers(SYMBOL, put)],
    ['websockets.candlesticks', (put) => client.websockets.candlesticks([SYMBOL], '1m', put)],
    ['websockets.prevDay', (put) => client.websockets.prevDay(SYMBOL, (_, ticker) => put(ticker))],
    ['websockets.depthCache', (put) => client.websockets.depthCache([SYMBOL], (_, depth) => put(depth))],
  ]) {
    await step(name, async () => {
      const messages = new Messages()
      open((message) => messages.put(message))
      return Object.keys(await messages.next()).slice(0, 4)
    })
  }
  const events = new Messages()
  await step('websockets.userData', async () => {
    await client.websockets.userData(
      (event) => events.put(event),
      (event) => events.put(event),
      () => events.put({ e: 'subscribed' }),
    )
    return 'subscribed'
  })
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await step('limit order', async () => {
    order = await client.buy(SYMBOL, SIZE, below(bid))
    return hold(order.status === 'NEW', order.status)
  })
  await step('its executionReport NEW', async () => {
    const event = await events.next((e) => e.i === order.orderId)
    return hold(event.x === 'NEW', event.x)
  })
  await step('orderStatus', async () => (await client.orderStatus(SYMBOL, order.orderId)).status)
  await step('openOrders', async () => hold((await client.openOrders(SYMBOL)).length === 1, 1))
  await step('cancel', async () => {
    const canceled = await client.cancel(SYMBOL, order.orderId)
    return hold(canceled.status === 'CANCELED', canceled.status)
  })
  await step('marketBuy', async () => hold((await client.marketBuy(SYMBOL, SIZE)).status === 'FILLED', 'FILLED'))
  await step('marketBuyWithCost', async () => hold((await client.marketBuyWithCost(SYMBOL, 50)).status === 'FILLED', 50))
  await step('ocoOrder', async () => {
    const pair = await client.ocoOrder('SELL', SYMBOL, SIZE, {
      aboveType: 'LIMIT_MAKER',
      abovePrice: above(bid),
      belowType: 'STOP_LOSS_LIMIT',
      belowStopPrice: below(bid),
      belowPrice: below(bid),
      belowTimeInForce: 'GTC',
    })
    return hold(pair.listOrderStatus === 'EXECUTING', pair.orders.length)
  })
  await step('cancelAll', async () => (await client.cancelAll(SYMBOL)).length)
  await step('trades', async () => hold((await client.trades(SYMBOL)).length > 0, 'fills'))
  await step('balance', async () => (await client.balance()).BTC.available)
  await refused('filter violation', -1013, () => client.buy(SYMBOL, SIZE, '0.001'))
  await refused('unknown order', -2011, () => client.cancel(SYMBOL, 987654))
  await refused('unknown symbol', -1121, () => client.depth('NOPE'))
})
