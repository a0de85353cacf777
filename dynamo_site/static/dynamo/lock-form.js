// Counts, while somebody types, what the lock of the form would hold. The page works without it.
"use strict";
(() => {
  const address = document.currentScript.dataset.preview;
  const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  const PAUSE = 400;
  let timer = 0;
  let asked = 0;

  function size(bytes) {
    let step = 0;
    let value = bytes;
    while (value >= 999.5 && step < UNITS.length - 1) { value /= 1000; step += 1; }
    return `${step ? value.toPrecision(3) : value} ${UNITS[step]}`;
  }

  function many(number, noun) { return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`; }

  function sentence(held, site) {
    const what = `${size(held.size_bytes)} in ${many(held.num_block_replicas, "block replica")} of ${many(held.num_datasets, "dataset")}`;
    if (held.is_site_unknown) return `${what}. No site fits ${site}, so the lock would hold everywhere.`;
    if (!held.site_names.length) return `${what}, everywhere.`;
    const shown = held.site_names.slice(0, 8).join(", ");
    return `${what}, at ${shown}${held.site_names.length > 8 ? ` and ${held.site_names.length - 8} more` : ""}.`;
  }

  function show(text, kind) {
    const box = document.getElementById("lock-holding");
    box.textContent = text;
    box.className = kind;
  }

  async function count(form) {
    const number = ++asked;
    const body = {};
    for (const name of ["dataset_pattern", "block_pattern", "site_pattern", "group_pattern"]) body[name] = form.elements[name].value;
    if (!body.dataset_pattern) return;
    try {
      const answer = await fetch(address, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
        body: JSON.stringify(body),
      });
      const found = await answer.json();
      if (number !== asked) return;
      if (!answer.ok) show(found.message, "dy-problem");
      else show(sentence(found, body.site_pattern), found.is_site_unknown ? "dy-problem" : "");
    } catch {
      if (number === asked) show("It could not be counted: the server does not answer.", "dy-problem");
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("#lock_form");
    if (!form) return;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => count(form), PAUSE);
    });
    count(form);
  });
})();
