// A widget of Panel's writes back each value that it is given, when React gets to it: where the server has given another
// meanwhile, the older one goes to the server as if somebody had chosen it. Here it writes what its own hands changed.
// And a value that came while it was being drawn is drawn, too. Each text must be there, or Panel has mended it.
{
  const { prototype } = Bokeh.Models.get("panel.models.esm.ReactComponent")
  const changes = [
    [`const [value, setValue] = React.useState(targetModel.attributes[resolvedProp])`,
     `const [value, setValue] = React.useState(targetModel.attributes[resolvedProp])
      const is_mine = React.useRef(false)
      const chooseValue = React.useCallback((value) => { is_mine.current = true; setValue(value) }, [])`],
    [`setValue(targetModel.attributes[resolvedProp])`,
     `is_mine.current = false
      setValue(targetModel.attributes[resolvedProp])`],
    [`react_proxy.on(prop, cb, true)`,
     `react_proxy.on(prop, cb, true)
      if (!target.model.events.includes(resolvedProp) && targetModel.attributes[resolvedProp] !== value) cb()`],
    [`initialized.current) {`, `is_mine.current) {
      is_mine.current = false`],
    [`return [value, setValue]`, `return [value, chooseValue]`],
  ]
  const { _render_code } = prototype
  prototype._render_code = function () {
    return changes.reduce((code, [before, after]) => {
      if (code.split(before).length != 2) throw new Error(`Panel's widgets keep their values in another way: ${before}`)
      return code.replace(before, () => after)
    }, _render_code.call(this))
  }
}
