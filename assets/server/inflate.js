// Parts of messages come compressed where the line is slow: each of these stands behind a text that says so, which no
// message of Bokeh's is. They are read in the order in which they came.
(() => {
  if (typeof DecompressionStream == "undefined" || typeof Bokeh == "undefined") return
  const { ClientConnection } = Bokeh.require("client/connection")
  const { connect, _on_message } = ClientConnection.prototype
  ClientConnection.prototype.connect = function () {
    const asked = new URLSearchParams(this.args_string ?? "")
    asked.set("inflates", "1")
    this.args_string = asked.toString()
    return connect.call(this)
  }
  const inflate = async (data, form) => {
    const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"))
    const answer = new Response(stream)
    return form == "deflated text" ? answer.text() : answer.arrayBuffer()
  }
  ClientConnection.prototype._on_message = function (event) {
    const { data } = event, form = this._form
    if (data === "deflated text" || data === "deflated bytes") {
      this._form = data
      return
    }
    this._form = null
    if (form == null && this._reading == null) {
      _on_message.call(this, event)
      return
    }
    const reading = Promise.all([form == null ? data : inflate(data, form), this._reading]).then(([data]) => {
      if (this._reading === reading) this._reading = null
      _on_message.call(this, { data })
    }).catch((error) => console.error("a message could not be read:", error))  // those behind it can
    this._reading = reading
  }
})()
