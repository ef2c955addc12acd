// @binance/spot, the official modular SDK: REST, streams, WebSocket API, its user data stream.
'use strict'

const { Spot } = require('@binance/spot')
const { where, step, refused, hold, Messages, below, above, live, SYMBOL, SIZE } = require('../steps.js')

const keys = { apiKey: where.api_key, apiSecret: where.api_secret }

const pause = () => new Promise((resolve) => setTimeout(resolve, 500))

live(async () => {
  const client = new Spot({
    configurationRestAPI: { ...keys, basePath: where.rest, timeout: 5000 },
    configurationWebsocketAPI: { ...keys, wsURL: where.ws_api },
    configurationWebsocketStreams: { wsURL: where.stream },
  })
  const rest = client.restAPI
  const asked = async (request) => (await request).data()
  let bid, order
  await step('exchangeInfo', async () => (await asked(rest.exchangeInfo())).symbols.map((s) => s.symbol))
  await step('time', async () => (await asked(rest.time())).serverTime)
  await step('depth', async () => {
    const book = await asked(rest.depth({ symbol: SYMBOL }))
    bid = book.bids[0][0]
    return hold(Number(bid) < Number(book.asks[0][0]), book.lastUpdateId)
  })
  await step('klines', async () => hold((await asked(rest.klines({ symbol: SYMBOL, interval: '1m' }))).length > 0, '1m'))
  await step('ticker', async () => (await asked(rest.ticker({ symbol: SYMBOL }))).lastPrice)
  await step('tickerTradingDay', async () => (await asked(rest.tickerTradingDay({ symbol: SYMBOL }))).lastPrice)

  const streams = await client.websocketStreams.connect()
  for (const [name, open] of [
    ['aggTrade', () => streams.aggTrade({ symbol: SYMBOL })],
    ['trade', () => streams.trade({ symbol: SYMBOL })],
    ['bookTicker', () => streams.bookTicker({ symbol: SYMBOL })],
    ['diffBookDepth', () => streams.diffBookDepth({ symbol: SYMBOL, updateSpeed: '100ms' })],
    ['kline', () => streams.kline({ symbol: SYMBOL, interval: '1m' })],
    ['klineOffset', () => streams.klineOffset({ symbol: SYMBOL, interval: '1m' })],
    ['miniTicker', () => streams.miniTicker({ symbol: SYMBOL })],
    ['partialBookDepth', () => streams.partialBookDepth({ symbol: SYMBOL, levels: '10' })],
    ['rollingWindowTicker', () => streams.rollingWindowTicker({ symbol: SYMBOL, windowSize: '1h' })],
    ['avgPrice', () => streams.avgPrice({ symbol: SYMBOL })],
  ]) {
    await step(`stream ${name}`, async () => {
      const messages = new Messages()
      const stream = open()
      stream.on('message', (message) => messages.put(message))
      const message = await messages.next()
      stream.unsubscribe()
      await pause() // the venue takes 5 messages a second
      return message.e ?? Object.keys(message).slice(0, 4)
    })
  }
  await streams.disconnect()

  const api = await client.websocketAPI.connect()
  const events = new Messages()
  await step('userDataStreamSubscribeSignature', async () => {
    const { response, stream } = await api.userDataStreamSubscribeSignature()
    stream.on('message', (event) => events.put(event))
    return JSON.stringify((response ?? {}).data ?? 'subscribed')
  })
  await step('orderPlace', async () => {
    const reply = await api.orderPlace({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: SIZE, price: below(bid), newOrderRespType: 'RESULT',
    })
    order = reply.data
    return hold(order.status === 'NEW', order.status)
  })
  await step('its executionReport NEW', async () => (await events.next((e) => e.e === 'executionReport' && e.i == order.orderId)).x)
  await step('getOrder', async () => (await asked(rest.getOrder({ symbol: SYMBOL, orderId: order.orderId }))).status)
  await step('orderAmendKeepPriority', async () => {
    const amended = await asked(rest.orderAmendKeepPriority({ symbol: SYMBOL, orderId: order.orderId, newQty: '0.005' }))
    return hold(Number(amended.amendedOrder.qty) === 0.005, amended.amendedOrder.qty)
  })
  await step('orderCancelReplace', async () => {
    const replaced = await asked(rest.orderCancelReplace({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: SIZE, price: below(bid),
      cancelReplaceMode: 'STOP_ON_FAILURE', cancelOrderId: order.orderId,
    }))
    order = replaced.newOrderResponse
    return hold(replaced.newOrderResult === 'SUCCESS', replaced.newOrderResult)
  })
  await step('getOpenOrders', async () => hold((await asked(rest.getOpenOrders({ symbol: SYMBOL }))).length === 1, 1))
  await step('orderCancel', async () => (await api.orderCancel({ symbol: SYMBOL, orderId: order.orderId })).data.status)
  await step('newOrder MARKET', async () => {
    const bought = await asked(rest.newOrder({ symbol: SYMBOL, side: 'BUY', type: 'MARKET', quantity: SIZE }))
    return hold(bought.status === 'FILLED', bought.fills[0].price)
  })
  await step('its executionReport TRADE', async () => (await events.next((e) => e.x === 'TRADE')).L)
  await step('orderListOco', async () => {
    const pair = await asked(rest.orderListOco({
      symbol: SYMBOL, side: 'SELL', quantity: SIZE, aboveType: 'LIMIT_MAKER', abovePrice: above(bid),
      belowType: 'STOP_LOSS', belowStopPrice: below(bid),
    }))
    return hold(pair.listOrderStatus === 'EXECUTING', pair.orders.length)
  })
  await step('openOrderList', async () => hold((await asked(rest.openOrderList())).length === 1, 1))
  await step('deleteOpenOrders', async () => (await asked(rest.deleteOpenOrders({ symbol: SYMBOL }))).length)
  await step('myTrades', async () => hold((await asked(rest.myTrades({ symbol: SYMBOL }))).length > 0, 'fills'))
  await step('getAccount', async () => (await asked(rest.getAccount())).balances.length)
  await step('accountCommission', async () => (await asked(rest.accountCommission({ symbol: SYMBOL }))).standardCommission.maker)
  await step('rateLimitOrder', async () => (await asked(rest.rateLimitOrder())).length)
  await step('myPreventedMatches', async () => (await asked(rest.myPreventedMatches({ symbol: SYMBOL, orderId: order.orderId }))).length)
  await step('myAllocations', async () => (await asked(rest.myAllocations({ symbol: SYMBOL }))).length)
  await refused('filter violation', 'PRICE_FILTER', () => asked(rest.newOrder({
    symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: SIZE, price: '0.001',
  })))
  await refused('unknown order', 'Unknown order', () => asked(rest.deleteOrder({ symbol: SYMBOL, orderId: 987654 })))
  await refused('unknown symbol', 'Invalid symbol', () => asked(rest.depth({ symbol: 'NOPE' })))
  await api.disconnect()
})
