// Which page a search shows first. (Sphinx puts this before its own script, whose `Search`,
// `Stemmer`, `splitQuery` and `stopwords` are there when the first result is scored.)
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
    const alike = (a, b) => a === b || (Math.min(a.length, b.length) > 3 && (a.startsWith(b) || b.startsWith(a)));
    const asked = stems(new URLSearchParams(location.search).get("q") ?? "");
    const own = descr === null && title === Search._index.titles[Search._index.docnames.indexOf(docname)];
    const named = stems(title);
    const found = own && asked.length && asked.every((a) => named.some((b) => alike(a, b)));
    const chapter = docname.match(/^book\/(\d\d)-/);
    return score + (found ? 200 : 0) + (chapter ? 1 - chapter[1] / 100 : 0);
  },
};
