/* What an exception would keep, said while its patterns are typed. */
"use strict";

(function () {
  const url = document.currentScript.dataset.effect;
  const field = document.querySelector("[name=patterns]");
  const box = document.getElementById("dy-effect");
  const DELAY_MS = 350;
  let waiting = 0;
  let number = 0;

  async function ask() {
    const mine = ++number;
    const patterns = field.value.trim();
    if (!patterns) {
      box.textContent = "";
      return;
    }
    try {
      const answer = await fetch(`${url}?patterns=${encodeURIComponent(patterns)}`, { credentials: "same-origin" });
      const said = await answer.json();
      if (mine !== number) return;
      box.textContent = said.text;
      box.classList.toggle("dy-red", said.is_problem);
    } catch (error) {
      if (mine === number) box.textContent = `The effect cannot be told now (${error.message}).`;
    }
  }
  field.addEventListener("input", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(ask, DELAY_MS);
  });
  ask();
})();
