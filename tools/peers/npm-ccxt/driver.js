// ccxt for Node: REST and its WebSocket edition.
'use strict'

const ccxt = require('ccxt')
const { where, step, refused, hold, below, live, SIZE } = require('../steps.js')

const PAIR = 'BTC/USDT'

// Every host in ccxt's table of URLs, replaced by the exchange's.
function redirected(urls) {
  if (typeof urls === 'object') {
    return Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, redirected(url)]))
  }
  if (urls.includes('ws-api')) return where.ws_api
  return urls.replace(/^wss:\/\/[^/]+/, where.stream).replace(/^https:\/\/[^/]+/, where.rest)
}

live(async () => {
  const client = new ccxt.pro.binance({ apiKey: where.api_key, secret: where.api_secret })
  client.urls.api = redirected(client.urls.api)
  await client.loadHttpProxyAgent() // what it wants for ws:// in the clear
  const size = Number(SIZE)
  let bid, order
  await step('loadMarkets', async () => Object.keys(await client.loadMarkets()))
  await step('fetchOrderBook', async () => {
    const book = await client.fetchOrderBook(PAIR, 5)
    bid = book.bids[0][0]
    return hold(bid < book.asks[0][0], bid)
  })
  await step('watchOrderBook', async () => {
    let nonce
    for (let count = 0; count < 10; count++) nonce = (await client.watchOrderBook(PAIR)).nonce
    return nonce
  })
  await step('watchTrades', async () => (await client.watchTrades(PAIR)).length)
  await step('watchTicker', async () => (await client.watchTicker(PAIR)).last)
  const price = Number(below(bid))
  const watching = client.watchOrders(PAIR)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await step('createOrder limit', async () => {
    order = await client.createOrder(PAIR, 'limit', 'buy', size, price)
    return hold(order.status === 'open', order.status)
  })
  await step('watchOrders', async () => hold((await watching).some((seen) => seen.id === order.id), order.id))
  await step('fetchOrder', async () => (await client.fetchOrder(order.id, PAIR)).status)
  await step('editOrder (cancelReplace)', async () => {
    order = await client.editOrder(order.id, PAIR, 'limit', 'buy', size, price - 1)
    return order.id
  })
  await step('fetchOpenOrders', async () => hold((await client.fetchOpenOrders(PAIR)).length === 1, 1))
  await step('cancelOrder', async () => hold((await client.cancelOrder(order.id, PAIR)).status === 'canceled', 'canceled'))
  await step('createOrderWs market', async () => (await client.createOrderWs(PAIR, 'market', 'buy', size)).status)
  await step('stop-loss order', async () => {
    const stop = await client.createOrder(PAIR, 'limit', 'sell', size, price, { stopLossPrice: price })
    return hold((await client.cancelOrder(stop.id, PAIR)).status === 'canceled', 'placed, canceled')
  })
  await step('trailing order', async () => {
    const stop = await client.createOrder(PAIR, 'market', 'sell', size, undefined, { trailingPercent: 5, stopLossOrTakeProfit: 'stopLoss' })
    return hold((await client.cancelOrder(stop.id, PAIR)).status === 'canceled', 'placed, canceled')
  })
  await step('fetchMyTrades', async () => hold((await client.fetchMyTrades(PAIR)).length > 0, 'fills'))
  await step('fetchBalance', async () => (await client.fetchBalance()).BTC.total)
  await step('fetchTradingFees', async () => (await client.fetchTradingFees())[PAIR].maker)
  await refused('unknown order', 'OrderNotFound', () => client.cancelOrder('987654', PAIR))
  await refused('unknown symbol', 'BadSymbol', () => client.publicGetDepth({ symbol: 'NOPE' }))
  await client.close()
})
