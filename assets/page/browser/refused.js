// A page that could not reach the server at first: it came from the browser's history, or the server was started anew.
{
  const said = document.getElementById("loader-error")
  const say = (changes, watch) => {
    watch.disconnect()
    const button = document.createElement("button")
    button.textContent = "Reload"
    button.addEventListener("click", () => window.location.reload())
    said.setAttribute("role", "alert")
    const words = said.textContent.includes("Connection")
      ? "No connection to the server: this page is too old, or the server was started anew."
      : said.textContent
    said.textContent = `${words} Reload opens this view again. `
    said.append(button)
  }
  if (said) new MutationObserver(say).observe(said, { childList: true })
}
