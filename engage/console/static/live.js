// Keeps a page that says data-live="seconds" fresh, while somebody looks at it and is not busy inside it.
(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  const pause = Number(main.dataset.live) * 1000;
  const busy = () => document.hidden || main.contains(document.activeElement) || String(getSelection());
  const look = async () => {
    try {
      if (!busy()) {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        if (answer.ok && !answer.redirected) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = page.querySelector("main");
          if (fresh && !busy() && fresh.innerHTML !== main.innerHTML) main.replaceChildren(...fresh.childNodes);
        }
      }
    } catch {
      // The server is away for a moment; the next look tells.
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
})();
