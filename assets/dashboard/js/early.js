// Applies the chosen theme before the first paint; lib/theme.js does the rest.
(() => {
  const choice = localStorage.getItem("loopsy.theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
})();
