// Panel has components loaded by a stand-in for browsers that know no import maps: it fetches each script as text, reads
// it through and makes another of it, half a second for the Material components, and no browser keeps that compiled.
{
  const { nonce } = document.currentScript, known = new Set()
  const load = (address) => import(new URL(address, document.baseURI).href)
  // Names of scripts of this server; the Material components name some of other hosts, besides, of which they use none.
  const addImportMap = ({ imports = {} }) => {
    const is_new = ([name, address]) => !known.has(name) && new URL(address, document.baseURI).origin == location.origin
    const added = Object.entries(imports).filter(is_new)
    if (!added.length) return
    added.forEach(([name]) => known.add(name))
    const text = JSON.stringify({ imports: Object.fromEntries(added) })
    document.head.append(Object.assign(document.createElement("script"), { type: "importmap", nonce, textContent: text }))
  }
  window.importShim = Object.assign(load, { addImportMap })
}
