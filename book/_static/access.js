// What scrolls can be reached by the keyboard. The theme sees to that when a page is loaded; but
// what is folded then has no size, so look again when something may have been unfolded.
(() => {
  const look = () => {
    for (const box of document.querySelectorAll("article :is(pre, .jp-RenderedHTMLCommon)"))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  };
  addEventListener("toggle", look, true);
  addEventListener("click", () => setTimeout(look));
})();
