// Runs before anything is painted, so that the page never flashes in the other theme.
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
