const slides = [...document.querySelectorAll("section")];
let at = 0;
let notes = null; // the window of what to say

function show(n) {
  at = Math.max(0, Math.min(slides.length - 1, n));
  document.querySelector(".near")?.classList.remove("near");
  slides.forEach((slide, k) => slide.classList.toggle("shown", k === at));
  document.getElementById("at").textContent = `${at + 1} / ${slides.length}`;
  history.replaceState(null, "", `#${at + 1}`);
  window.dispatchEvent(new Event("resize"));
  say();
}

const heading = (slide) => slide.querySelector("h1, h2")?.textContent ?? "";

function say() {
  if (notes === null || notes.closed) return;
  const next = slides[at + 1];
  const part = (name, text) => {
    const made = notes.document.createElement(name);
    made.textContent = text;
    return made;
  };
  const said = notes.document.importNode(slides[at].querySelector("aside"), true);
  notes.document.body.replaceChildren(
    part("h1", `${at + 1} / ${slides.length} · ${heading(slides[at])}`),
    ...said.childNodes,
    part("footer", next ? `Next: ${heading(next)}` : "This is the last slide."),
  );
}

function openNotes() {
  notes = window.open("", "notes", "width=760,height=560");
  if (notes === null) return alert("The browser keeps the window of the notes from opening.");
  notes.document.title = `Notes: ${document.title}`;
  const style = notes.document.createElement("style");
  style.textContent = `body { font: 22px/1.45 system-ui, sans-serif; margin: 1.2em; }
    h1 { font-size: 1.15em; } footer { color: #666; margin-top: 1.2em; }`;
  notes.document.head.replaceChildren(style);
  notes.onkeydown = key;
  say();
  notes.focus();
}

function key(event) {
  const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1,
                  ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // Who went to a slider by the keyboard moves it so; a remote, which pages, turns slides there, too.
  if (event.target.matches("input") && /^(Arrow|Home|End)/.test(event.key)) return;
  if (event.key in steps) show(at + steps[event.key]);
  else if (event.key === "Home") show(0);
  else if (event.key === "End") show(slides.length - 1);
  else if (event.key.toLowerCase() === "n") openNotes();
  else return;
  event.preventDefault();
}

for (const picture of document.querySelectorAll("figure > img"))
  picture.addEventListener("click", () => picture.parentElement.classList.toggle("near"));
document.addEventListener("keydown", key);
// After the mouse has moved a slider, arrows turn slides again.
document.addEventListener("pointerup", () => document.activeElement.blur());
show(Number(location.hash.slice(1) || 1) - 1);
