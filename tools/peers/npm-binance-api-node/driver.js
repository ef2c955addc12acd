// binance-api-node: REST, its stream callbacks, its user stream over the WebSocket API.
'use strict'

const Binance = require('binance-api-node').default
const { where, step, refused, hold, Messages, below, above, live, SYMBOL, SIZE } = require('../steps.js')

live(async () => {
  const client = Binance({
    apiKey: where.api_key,
    apiSecret: where.api_secret,
    httpBase: where.rest,
    wsBase: `${where.stream}/ws`,
    wsApi: where.ws_api,
  })
  let bid, order
  await step('exchangeInfo', async () => (await client.exchangeInfo()).symbols.map((s) => s.symbol))
  await step('time', () => client.time())
  await step('book', async () => {
    const book = await client.book({ symbol: SYMBOL })
    bid = book.bids[0].price
    return hold(Number(bid) < Number(book.asks[0].price), bid)
  })
  await step('candles', async () => hold((await client.candles({ symbol: SYMBOL, interval: '1m' })).length > 0, '1m'))
  await step('trades', async () => hold((await client.trades({ symbol: SYMBOL, limit: 5 })).length, 5))
  await step('dailyStats', async () => hold((await client.dailyStats({ symbol: SYMBOL })).lastPrice, 'last'))
  for (const [name, open] of [
    ['ws.depth', (put) => client.ws.depth(SYMBOL, put)],
    ['ws.partialDepth', (put) => client.ws.partialDepth({ symbol: SYMBOL, level: 10 }, put)],
    ['ws.trades', (put) => client.ws.trades([SYMBOL], put)],
    ['ws.aggTrades', (put) => client.ws.aggTrades([SYMBOL], put)],
    ['ws.candles', (put) => client.ws.candles(SYMBOL, '1m', put)],
    ['ws.ticker', (put) => client.ws.ticker(SYMBOL, put)],
    ['ws.bookTicker', (put) => client.ws.bookTicker(SYMBOL, put)],
    ['ws.allTickers', (put) => client.ws.allTickers(put)],
  ]) {
    await step(name, async () => {
      const messages = new Messages()
      const close = open((message) => messages.put(message))
      const message = await messages.next()
      close({ delay: 0, fastClose: true, keepClosed: true })
      return Object.keys(message).slice(0, 4)
    })
  }
  const events = new Messages()
  await step('ws.user', async () => typeof (await client.ws.user((event) => events.put(event))))
  await step('order', async () => {
    order = await client.order({ symbol: SYMBOL, side: 'BUY', type: 'LIMIT', quantity: SIZE, price: below(bid) })
    return hold(order.status === 'NEW', order.status)
  })
  await step('its executionReport NEW', async () => {
    const event = await events.next((e) => e.orderId === order.orderId)
    return hold(event.executionType === 'NEW', event.executionType)
  })
  await step('getOrder', async () => (await client.getOrder({ symbol: SYMBOL, orderId: order.orderId })).status)
  await step('openOrders', async () => hold((await client.openOrders({ symbol: SYMBOL })).length === 1, 1))
  await step('cancelOrder', async () => {
    const canceled = await client.cancelOrder({ symbol: SYMBOL, orderId: order.orderId })
    return hold(canceled.status === 'CANCELED', canceled.status)
  })
  await step('its executionReport CANCELED', async () => {
    const event = await events.next((e) => e.executionType === 'CANCELED')
    return hold(event.orderId === order.orderId, event.orderStatus)
  })
  await step('order MARKET', async () => {
    const bought = await client.order({ symbol: SYMBOL, side: 'BUY', type: 'MARKET', quantity: SIZE })
    return hold(bought.status === 'FILLED', bought.fills[0].price)
  })
  await step('orderOco', async () => {
    const pair = await client.orderOco({
      symbol: SYMBOL,
      side: 'SELL',
      quantity: SIZE,
      price: above(bid),
      stopPrice: below(bid),
      stopLimitPrice: below(bid),
      stopLimitTimeInForce: 'GTC',
    })
    return hold(pair.listOrderStatus === 'EXECUTING', pair.orders.length)
  })
  await step('cancelOpenOrders', async () => (await client.cancelOpenOrders({ symbol: SYMBOL })).length)
  await step('myTrades', async () => hold((await client.myTrades({ symbol: SYMBOL })).length > 0, 'fills'))
  await step('accountInfo', async () => (await client.accountInfo()).balances.length)
  await step('tradeFee', async () => (await client.tradeFee()).length)
  await refused('filter violation', -1013, () =>
    client.order({ symbol: SYMBOL, side: 'BUY', type: 'LIMIT', quantity: SIZE, price: '0.001' }))
  await refused('unknown order', -2011, () => client.cancelOrder({ symbol: SYMBOL, orderId: 987654 }))
  await refused('unknown symbol', -1121, () => client.book({ symbol: 'NOPE' }))
})
