// Paper is white, and nobody can unfold it: proofs, answers and tables are printed, code that is
// folded is not.
(() => {
  const page = document.documentElement;
  let theme, opened;
  addEventListener("beforeprint", () => {
    theme = page.dataset.theme;
    page.dataset.theme = "light";
    opened = [...document.querySelectorAll("details:not(.above-input, [open])")];
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => {
    page.dataset.theme = theme;
    for (const fold of opened) fold.open = false;
  });
})();
