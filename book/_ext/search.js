// Which page a search shows first, and what of it.
//
// Sphinx gives all pages with a word in the title of any section the same score, and puts entries
// of the glossary before them. Here a page whose own title has every word that was asked for comes
// first, and among pages of the same score a chapter before other pages, in the order of reading.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: -11, // a function whose name contains the word comes after pages that use it
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,

  score: ([docname, title, anchor, descr, score]) => {
    const stemmer = new Stemmer();
    const stems = (text) =>
      splitQuery(text.toLowerCase())
        .filter((word) => !stopwords.includes(word))
        .map((word) => stemmer.stemWord(word));
    // "noisy" has the stem noisi, and "noise" has nois.
    const alike = (a, b) =>
      a === b || (Math.min(a.length, b.length) > 3 && (a.startsWith(b) || b.startsWith(a)));
    const asked = stems(new URLSearchParams(location.search).get("q") ?? "");
    const { docnames, titles } = Search._index;
    const own = descr === null && title === titles[docnames.indexOf(docname)];
    const named = stems(title);
    const found = own && asked.length && asked.every((a) => named.some((b) => alike(a, b)));
    const chapter = docname.match(/^book\/(\d\d)-/);
    return score + (found ? 200 : 0) + (chapter ? 1 - chapter[1] / 100 : 0);
  },
};

// An excerpt is of the page's text: not of its list of contents, nor of its downloads or its code.
document.addEventListener("DOMContentLoaded", () => {
  const text = Search.htmlToText;
  Search.htmlToText = (page, anchor) => {
    const article = new DOMParser().parseFromString(page, "text/html").querySelector("article");
    if (!article) return text(page, anchor);
    article.querySelectorAll(".cell_input, .toctree-wrapper").forEach((part) => part.remove());
    return text(`<div role="main">${article.outerHTML}</div>`, anchor);
  };
});
