// binance (the SDK of that name): REST, streams, and orders over the WebSocket API.
//
// It adds the paths to `wsUrl` itself. `getServerTime` is left out: it asks a host of its own choosing.
'use strict'

const { MainClient, WebsocketClient, WebsocketAPIClient } = require('binance')
const { where, step, refused, hold, Messages, below, above, live, SYMBOL, SIZE } = require('../steps.js')

const quiet = { trace() {}, info() {}, error() {} }
const keys = { api_key: where.api_key, api_secret: where.api_secret }

live(async () => {
  const client = new MainClient({ ...keys, baseUrl: where.rest, disableTimeSync: true })
  let bid, order
  await step('getExchangeInfo', async () => (await client.getExchangeInfo()).symbols.map((s) => s.symbol))
  await step('getOrderBook', async () => {
    const book = await client.getOrderBook({ symbol: SYMBOL, limit: 100 })
    bid = book.bids[0][0]
    return hold(Number(bid) < Number(book.asks[0][0]), book.lastUpdateId)
  })
  await step('getKlines', async () => hold((await client.getKlines({ symbol: SYMBOL, interval: '1m' })).length > 0, '1m'))
  await step('getTradeFee', async () => (await client.getTradeFee({ symbol: SYMBOL }))[0].makerCommission)

  const market = new WebsocketClient({ ...keys, wsUrl: where.stream, beautify: false }, quiet)
  const ticks = new Messages()
  market.on('message', (message) => ticks.put(message))
  market.on('exception', () => {})
  const streams = ['btcusdt@depth@100ms', 'btcusdt@trade', 'btcusdt@bookTicker', 'btcusdt@kline_1m', 'btcusdt@miniTicker']
  market.subscribe(streams, 'main')
  for (const stream of streams) {
    await step(`stream ${stream}`, async () => (await ticks.next((m) => m.streamName === stream)).e ?? 'bookTicker')
  }
  market.closeAll(true)

  const api = new WebsocketAPIClient({ ...keys, wsUrl: where.stream, beautify: false, attachEventListeners: false }, quiet)
  const events = new Messages()
  api.getWSClient().on('message', (message) => events.put(message.event ?? message))
  api.getWSClient().on('exception', () => {})
  await step('subscribeUserDataStream', async () => {
    await api.subscribeUserDataStream('mainWSAPI')
    return 'subscribed'
  })
  await step('order over REST', async () => {
    order = await client.submitNewOrder({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: SIZE, price: below(bid), newOrderRespType: 'RESULT',
    })
    return hold(order.status === 'NEW', order.status)
  })
  await step('its executionReport NEW', async () => {
    const event = await events.next((e) => e.e === 'executionReport')
    return hold(event.i === order.orderId && event.x === 'NEW', event.x)
  })
  await step('getOrder', async () => (await client.getOrder({ symbol: SYMBOL, orderId: order.orderId })).status)
  await step('amendSpotOrderKeepPriority', async () => {
    const { result } = await api.amendSpotOrderKeepPriority({ symbol: SYMBOL, orderId: order.orderId, newQty: '0.005', timestamp: Date.now() })
    return hold(Number(result.amendedOrder.qty) === 0.005, result.amendedOrder.qty)
  })
  await step('replaceOrder', async () => {
    const replaced = await client.replaceOrder({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: SIZE, price: below(bid),
      cancelReplaceMode: 'STOP_ON_FAILURE', cancelOrderId: order.orderId,
    })
    order = replaced.newOrderResponse
    return hold(replaced.newOrderResult === 'SUCCESS', replaced.newOrderResult)
  })
  await step('getOpenOrders', async () => hold((await client.getOpenOrders({ symbol: SYMBOL })).length === 1, 1))
  await step('cancelOrder', async () => {
    const canceled = await client.cancelOrder({ symbol: SYMBOL, orderId: order.orderId })
    return hold(canceled.status === 'CANCELED', canceled.status)
  })
  await step('order over the WebSocket API', async () => {
    const reply = await api.submitNewSpotOrder({ symbol: SYMBOL, side: 'BUY', type: 'MARKET', quantity: SIZE, timestamp: Date.now() })
    return hold(reply.result.status === 'FILLED', reply.result.status)
  })
  await step('its executionReport TRADE', async () => (await events.next((e) => e.x === 'TRADE')).L)
  await step('placeSpotOCOOrderList', async () => {
    const reply = await api.placeSpotOCOOrderList({
      symbol: SYMBOL, side: 'SELL', quantity: SIZE, aboveType: 'LIMIT_MAKER', abovePrice: above(bid),
      belowType: 'STOP_LOSS', belowStopPrice: below(bid), timestamp: Date.now(),
    })
    return hold(reply.result.listOrderStatus === 'EXECUTING', reply.result.orders.length)
  })
  await step('submitNewOrderListOTO', async () => {
    const list = await client.submitNewOrderListOTO({
      symbol: SYMBOL, workingType: 'LIMIT', workingSide: 'BUY', workingPrice: below(bid), workingQuantity: SIZE,
      workingTimeInForce: 'GTC', pendingType: 'MARKET', pendingSide: 'SELL', pendingQuantity: SIZE,
    })
    return hold(list.listOrderStatus === 'EXECUTING', list.contingencyType)
  })
  await step('cancelAllSymbolOrders', async () => (await client.cancelAllSymbolOrders({ symbol: SYMBOL })).length)
  await step('getAccountTradeList', async () => hold((await client.getAccountTradeList({ symbol: SYMBOL })).length > 0, 'fills'))
  await step('getAccountInformation', async () => (await client.getAccountInformation()).balances.length)
  await step('getCommissionRates', async () => (await client.getCommissionRates({ symbol: SYMBOL })).standardCommission.maker)
  await refused('filter violation', -1013, () =>
    client.submitNewOrder({ symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: SIZE, price: 0.001 }))
  await refused('unknown order', -2011, () => client.cancelOrder({ symbol: SYMBOL, orderId: 987654 }))
  await refused('unknown symbol', -1121, () => client.getOrderBook({ symbol: 'NOPE' }))
})
