// Bokeh asks the browser for a style of every colour, width and alpha at each of their uses, which is a sixth of the
// time of a drag; style sheets may set them (as --bk-...), and none here does.
mend(Bokeh.require("core/visuals/visual").VisualProperties.prototype, "_get_css_value", () => () => "")
