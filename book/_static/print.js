// Paper is white, and nobody can unfold it: proofs, answers and tables are printed, code that is
// folded is not.
(() => {
  const page = document.documentElement;
  let theme, opened, titles;
  addEventListener("beforeprint", () => {
    theme = page.dataset.theme;
    page.dataset.theme = "light";
    opened = [...document.querySelectorAll("details:not([open])")].filter(
      (fold) => !fold.matches(".above-input") || fold.querySelector(".cell_output"),
    );
    for (const fold of opened) fold.open = true;
    // "Show the numbers", which becomes "Hide the numbers", is printed as "The numbers".
    titles = [...document.querySelectorAll("details.hide > summary > .expanded")].map((title) => [
      title,
      title.textContent,
    ]);
    for (const [title] of titles)
      title.textContent = title.parentElement
        .querySelector(".collapsed")
        .textContent.replace(/^Show (.)/, (_, first) => first.toUpperCase());
  });
  addEventListener("afterprint", () => {
    page.dataset.theme = theme;
    for (const fold of opened) fold.open = false;
    for (const [title, words] of titles) title.textContent = words;
  });
})();
