/* The study page: what is picked goes to the server as JSON, the pictures come back as HTML that the server has escaped. */
"use strict";

(function () {
  const config = JSON.parse(document.getElementById("dy-config").textContent);
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const at = (id) => document.getElementById(id);
  const DELAY_MS = 350;
  const DAYS_PER_QUARTER = 365.25 / 4;
  const LISTS = ["tier", "era", "site", "owner", "status", "release", "without_tier", "without_era", "without_site"];

  const picked = {};
  let joined = null;
  let number = 0;
  let waiting = 0;

  function fields() {
    return Array.from(document.querySelectorAll("[data-field]"));
  }
  function value(field) {
    if (field.dataset.kind === "flag") return field.checked ? true : undefined;
    const text = field.value.trim();
    if (!text) return undefined;
    if (field.dataset.kind === "list") return text.split(/\s+/);
    return field.dataset.kind === "number" ? Math.max(0, Math.trunc(Number(text))) : text;
  }
  function question() {
    const asked = {};
    for (const [name, values] of Object.entries(picked)) if (values.length) asked[name] = values;
    for (const field of fields()) {
      const found = value(field);
      if (found !== undefined) asked[field.dataset.field] = found;
    }
    return asked;
  }

  async function ask(body) {
    const mine = ++number;
    at("dy-busy").textContent = body.afresh ? "Looking at the inventory afresh …" : "Looking …";
    let said;
    try {
      const answer = await fetch(config.explore, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token },
        body: JSON.stringify(body),
      });
      said = await answer.json().catch(() => ({ problem: `The server answered ${answer.status}.` }));
    } catch (error) {
      said = { problem: `The server cannot be reached (${error.message}).` };
    }
    if (mine !== number) return; // a later click has overtaken this one
    at("dy-busy").textContent = "";
    at("dy-problem").hidden = !said.problem;
    at("dy-problem").textContent = said.problem || "";
    if (said.problem) return;
    at("dy-explored").innerHTML = said.html;
    at("dy-rule").textContent = said.rule || (body.text ? "The whole text below is shown." : "Nothing is picked.");
    joined = said.rule ? said.joined : null;
    if (at("dy-join")) at("dy-join").disabled = !joined;
    mark();
  }
  function look(afresh = false) {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => ask({ picked: question(), base: at("dy-text").value, afresh }), DELAY_MS);
  }

  /* ---- what is picked, as chips, and as pressed bars --------------------------------------------------------------- */
  function toggle(name, text) {
    const values = picked[name] || (picked[name] = []);
    const place = values.indexOf(text);
    if (place < 0) values.push(text);
    else values.splice(place, 1);
    chips();
    look();
  }
  function chips() {
    const box = at("dy-chips");
    box.textContent = "";
    for (const name of LISTS) {
      for (const text of picked[name] || []) {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = "dy-chip dy-chip-picked";
        chip.textContent = `${name.startsWith("without_") ? "not " : ""}${name.replace("without_", "")} ${text} ✕`;
        chip.title = "Do not pick this";
        chip.addEventListener("click", () => toggle(name, text));
        box.append(chip);
      }
    }
  }
  function mark() {
    for (const button of document.querySelectorAll("button[data-pick]")) {
      const on = (picked[button.dataset.pick] || []).includes(button.dataset.value);
      button.setAttribute("aria-pressed", String(on));
    }
    cutMark();
  }

  /* ---- the cut by last access -------------------------------------------------------------------------------------- */
  const unused = document.querySelector("[data-field=unused_days]");
  function cutMark() {
    const days = value(unused);
    const quarters = days === undefined ? 0 : Math.round(days / DAYS_PER_QUARTER);
    at("dy-cut").value = String(Math.min(40, quarters));
    for (const column of document.querySelectorAll("#dy-histogram .dy-column")) {
      const ago = Number(column.dataset.quarters);
      column.classList.toggle("dy-cut-here", days !== undefined && ago === quarters);
    }
  }
  at("dy-cut").addEventListener("input", () => {
    const quarters = Number(at("dy-cut").value);
    unused.value = quarters ? String(Math.round(quarters * DAYS_PER_QUARTER)) : "";
    look();
  });
  at("dy-explored").addEventListener("click", (event) => {
    const column = event.target.closest(".dy-column");
    if (column && /^\d+$/.test(column.dataset.quarters)) {
      unused.value = String(Math.max(1, Math.round(Number(column.dataset.quarters) * DAYS_PER_QUARTER)));
      look();
      return;
    }
    const button = event.target.closest("button[data-pick]");
    if (button) toggle(button.dataset.pick, button.dataset.value);
  });

  for (const field of fields()) field.addEventListener("input", () => look());
  at("dy-pick").addEventListener("submit", (event) => event.preventDefault());
  at("dy-clear").addEventListener("click", () => {
    for (const name of Object.keys(picked)) delete picked[name];
    for (const field of fields()) {
      if (field.dataset.kind === "flag") field.checked = false;
      else field.value = "";
    }
    chips();
    look();
  });
  at("dy-afresh").addEventListener("click", () => look(true));
  at("dy-show-text").addEventListener("click", () => {
    window.clearTimeout(waiting);
    ask({ text: at("dy-text").value });
    at("dy-busy").scrollIntoView({ block: "center" });
  });
  if (at("dy-join")) {
    at("dy-join").addEventListener("click", () => {
      at("dy-text").value = joined;
      at("dy-text").scrollIntoView({ block: "center" });
      at("dy-text").focus();
    });
  }

  // A campaign that says already what goes is shown as it stands.
  if (/^\s*Delete/m.test(at("dy-text").value)) ask({ text: at("dy-text").value });
  else ask({ picked: {} });
})();
