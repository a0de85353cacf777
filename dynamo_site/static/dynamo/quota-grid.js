// Moves between the cells of the grid by keys, marks what is changed and sums superpartitions while somebody types.
"use strict";
(() => {
  const UNITS = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, pb: 1e15, eb: 1e18, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40, pib: 2 ** 50, eib: 2 ** 60 };
  const NAMES = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

  function bytes(text) {
    const said = text.trim().replace(/,/g, "").toLowerCase();
    if (!said) return 0;
    if (said === "unlimited" || said === "-1") return -1;
    const found = /^(\d+(?:\.\d+)?)\s?([a-z]+)?$/.exec(said);
    const factor = found && UNITS[found[2] || "b"];
    return factor ? Number(found[1]) * factor : null;
  }

  function text(size) {
    let step = 0;
    let value = size;
    while (value >= 1000 && step < NAMES.length - 1) { value /= 1000; step += 1; }
    return `${Number(value.toPrecision(5))} ${NAMES[step]}`;
  }

  function sum(row) {
    for (const cell of row.querySelectorAll("[data-leaves]")) {
      const parts = cell.dataset.leaves.split(" ").map((key) => row.querySelector(`input[name^="q:${key}:"]`));
      if (parts.some((part) => !part)) continue;
      const sizes = parts.map((part) => bytes(part.value.trim() === part.dataset.seen ? part.title : part.value));
      if (sizes.every((size) => size !== null && size >= 0)) cell.textContent = text(sizes.reduce((one, other) => one + other, 0));
      else cell.textContent = "?";
    }
  }

  function mark(form) {
    const cells = [...form.querySelectorAll("input.dy-cell")];
    let changed = 0;
    for (const cell of cells) {
      const is = cell.value.trim() !== cell.dataset.seen;
      const wrong = bytes(cell.value) === null;
      cell.classList.toggle("dy-changed", is && !wrong);
      cell.classList.toggle("dy-wrong", wrong);
      cell.setAttribute("aria-invalid", String(wrong));
      changed += is ? 1 : 0;
    }
    const said = document.getElementById("quota-count");
    if (said) said.textContent = changed ? `${changed} changed, not saved yet.` : "Nothing is changed yet. Arrow keys and Enter move between the cells.";
  }

  function move(event) {
    const cell = event.target.closest("input.dy-cell");
    const steps = { ArrowUp: -1, ArrowDown: 1, Enter: 1 };
    if (!cell || !(event.key in steps)) return;
    event.preventDefault();
    const column = cell.closest("td").cellIndex;
    let row = cell.closest("tr");
    do {
      row = steps[event.key] < 0 ? row.previousElementSibling : row.nextElementSibling;
      const next = row && row.cells[column].querySelector("input.dy-cell");
      if (next) { next.focus(); next.select(); return; }
    } while (row);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("quota-grid");
    if (!form) return;
    form.addEventListener("keydown", move);
    form.addEventListener("input", (event) => { mark(form); sum(event.target.closest("tr")); });
  });
})();
