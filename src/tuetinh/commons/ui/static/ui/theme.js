// Runs before the first paint, so that a dark ward never sees a white flash.
(() => {
  const root = document.documentElement;
  if (!root.dataset.bsTheme) root.dataset.bsTheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
})();
