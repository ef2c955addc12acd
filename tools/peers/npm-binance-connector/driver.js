// @binance/connector, the official one before the modular SDK: REST, streams, WebSocket API.
//
// Its user stream wants a listenKey, which the venue has removed: it has none here either.
'use strict'

const { Spot, WebsocketAPI, WebsocketStream } = require('@binance/connector')
const { where, step, refused, hold, Messages, below, above, live, SYMBOL, SIZE } = require('../steps.js')

const logger = { debug() {}, info() {}, warn() {}, error() {}, log() {} }

live(async () => {
  const client = new Spot(where.api_key, where.api_secret, { baseURL: where.rest })
  let bid, order
  await step('exchangeInfo', async () => (await client.exchangeInfo()).data.symbols.map((s) => s.symbol))
  await step('depth', async () => {
    const { data } = await client.depth(SYMBOL)
    bid = data.bids[0][0]
    return hold(Number(bid) < Number(data.asks[0][0]), data.lastUpdateId)
  })
  await step('klines', async () => hold((await client.klines(SYMBOL, '1m')).data.length > 0, '1m'))
  await step('ticker24hr', async () => (await client.ticker24hr(SYMBOL)).data.lastPrice)
  for (const [name, open] of [
    ['trade', (s) => s.trade(SYMBOL)],
    ['bookTicker', (s) => s.bookTicker(SYMBOL)],
    ['diffBookDepth', (s) => s.diffBookDepth(SYMBOL, '100ms')],
    ['kline', (s) => s.kline(SYMBOL, '1m')],
    ['rollingWindowTicker', (s) => s.rollingWindowTicker('1h', SYMBOL)],
    ['subscribe (combined)', (s) => s.subscribe(['btcusdt@trade', 'ethusdt@trade'])],
  ]) {
    await step(`stream ${name}`, async () => {
      const messages = new Messages()
      const stream = new WebsocketStream({
        logger,
        callbacks: { message: (text) => messages.put(JSON.parse(text)) },
        wsURL: where.stream,
        combinedStreams: name.endsWith('(combined)'),
      })
      open(stream)
      const message = await messages.next()
      stream.disconnect()
      return message.e ?? message.stream ?? 'bookTicker'
    })
  }
  await refused('createListenKey (removed by the venue)', 404, () => client.createListenKey())
  await step('newOrder', async () => {
    order = (await client.newOrder(SYMBOL, 'BUY', 'LIMIT', { timeInForce: 'GTC', quantity: SIZE, price: below(bid) })).data
    return hold(order.status === 'NEW', order.status)
  })
  await step('getOrder', async () => (await client.getOrder(SYMBOL, { orderId: order.orderId })).data.status)
  await step('cancelAndReplace', async () => {
    const { data } = await client.cancelAndReplace(SYMBOL, 'BUY', 'LIMIT', 'STOP_ON_FAILURE', {
      timeInForce: 'GTC', quantity: SIZE, price: below(bid), cancelOrderId: order.orderId,
    })
    order = data.newOrderResponse
    return hold(data.newOrderResult === 'SUCCESS', data.newOrderResult)
  })
  await step('openOrders', async () => hold((await client.openOrders({ symbol: SYMBOL })).data.length === 1, 1))
  await step('cancelOrder', async () => (await client.cancelOrder(SYMBOL, { orderId: order.orderId })).data.status)
  await step('newOrder MARKET', async () => hold((await client.newOrder(SYMBOL, 'BUY', 'MARKET', { quantity: SIZE })).data.status === 'FILLED', 'FILLED'))
  await step('newOCOOrder', async () => {
    const { data } = await client.newOCOOrder(SYMBOL, 'SELL', SIZE, 'LIMIT_MAKER', 'STOP_LOSS', {
      abovePrice: above(bid), belowStopPrice: below(bid),
    })
    return hold(data.listOrderStatus === 'EXECUTING', data.orders.length)
  })
  await step('cancelOpenOrders', async () => (await client.cancelOpenOrders(SYMBOL)).data.length)
  await step('myTrades', async () => hold((await client.myTrades(SYMBOL)).data.length > 0, 'fills'))
  await step('account', async () => (await client.account()).data.balances.length)

  const replies = new Messages()
  const opened = new Messages()
  const api = new WebsocketAPI(where.api_key, where.api_secret, {
    logger,
    wsURL: where.ws_api,
    callbacks: { open: () => opened.put('open'), message: (text) => replies.put(JSON.parse(text)) },
  })
  await step('WebSocket API', () => opened.next())
  for (const [name, ask, judge] of [
    ['orderbook', () => api.orderbook(SYMBOL), (result) => result.lastUpdateId],
    ['newOrder', () => api.newOrder(SYMBOL, 'SELL', 'MARKET', { quantity: SIZE }), (result) => hold(result.status === 'FILLED', result.status)],
    ['account', () => api.account(), (result) => result.balances.length],
    ['openOrders', () => api.openOrders(SYMBOL), (result) => hold(result.length === 0, 'none left')],
  ]) {
    await step(`WebSocket API ${name}`, async () => {
      ask()
      const reply = await replies.next()
      hold(reply.status === 200, reply)
      return judge(reply.result)
    })
  }
  api.disconnect()
  await refused('filter violation', -1013, () => client.newOrder(SYMBOL, 'BUY', 'LIMIT', { timeInForce: 'GTC', quantity: SIZE, price: '0.001' }))
  await refused('unknown order', -2011, () => client.cancelOrder(SYMBOL, { orderId: 987654 }))
  await refused('unknown symbol', -1121, () => client.depth('NOPE'))
})
