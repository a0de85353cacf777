/* The policy editor. Whatever people wrote reaches the page as text, never as markup; the effect panel is escaped by the server. */
"use strict";

(function () {
  const CM = CodeMirrorBundle;
  const config = JSON.parse(document.getElementById("dy-config").textContent);
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const language = DynamoLanguage(config.language);
  const at = (id) => document.getElementById(id);
  const MAX_LISTED = 100;
  const POLL_MS = 700;

  /* The saved version that the text started from or became, and the test run that is shown. */
  let saved = config.version;
  let savedText = null;
  let savedExpectations = config.expectations;
  let tested = null;
  let numErrors = 0;
  let polling = 0;

  async function api(url, body, method = "POST", more = {}) {
    const answer = await fetch(url, {
      method,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token, Accept: "application/json", ...more },
      body: JSON.stringify(body),
    });
    const said = await answer.json().catch(() => ({ message: `The server answered ${answer.status}.`, details: {} }));
    if (!answer.ok) {
      const fields = Object.values(said.details || {}).flat().map((detail) => detail.message || "").join(" ");
      throw new Error(`${said.message || `The server answered ${answer.status}.`} ${fields}`.trim());
    }
    return said;
  }

  function say(text, isProblem = false, where = "dy-said") {
    at(where).textContent = text;
    at(where).classList.toggle("dy-is-problem", isProblem);
  }

  /* ---- what each line decided, as a gutter beside the text -------------------------------------------------------- */
  class Hit extends CM.GutterMarker {
    constructor(hit) {
      super();
      this.hit = hit;
    }
    eq(other) {
      return JSON.stringify(other.hit) === JSON.stringify(this.hit);
    }
    toDOM() {
      const box = document.createElement("div");
      box.className = this.hit.is_dead ? "dy-cm-dead" : "dy-cm-hit";
      const parts = this.hit.is_dead ? ["decided nothing"] : [this.hit.replicas, this.hit.size];
      for (const part of parts) {
        const span = document.createElement("span");
        span.textContent = part;
        box.append(span);
      }
      return box;
    }
  }
  // What is typed in front of a rule pushes its counts along with it.
  Hit.prototype.startSide = Hit.prototype.endSide = 1;
  const setHits = CM.StateEffect.define();
  const deadLine = CM.Decoration.line({ class: "dy-cm-deadline" });
  function deadLines(markers, doc) {
    const starts = new Set();
    for (const place = markers.iter(); place.value; place.next()) {
      if (place.value.hit.is_dead) starts.add(doc.lineAt(place.from).from);
    }
    return CM.Decoration.set(Array.from(starts, (start) => deadLine.range(start)), true);
  }
  const hitField = CM.StateField.define({
    create: () => ({ markers: CM.RangeSet.empty, lines: CM.Decoration.none }),
    update(value, transaction) {
      const doc = transaction.state.doc;
      let markers = value.markers.map(transaction.changes);
      for (const effect of transaction.effects) {
        if (!effect.is(setHits)) continue;
        const hits = effect.value.filter((hit) => hit.line <= doc.lines);
        markers = CM.RangeSet.of(hits.map((hit) => new Hit(hit).range(doc.line(hit.line).from)), true);
      }
      return markers === value.markers ? value : { markers, lines: deadLines(markers, doc) };
    },
    provide: (field) => CM.EditorView.decorations.from(field, (value) => value.lines),
  });
  const hitGutter = CM.gutter({ class: "dy-cm-hits", side: "after", markers: (view) => view.state.field(hitField).markers });

  /* ---- findings: under the token, in the gutter, and as a list ---------------------------------------------------- */
  function offset(line, column) {
    // Columns count characters; the editor counts UTF-16 units.
    const characters = Array.from(line.text.slice(0, 2 * column));
    return line.from + Math.min(line.length, characters.slice(0, column - 1).join("").length);
  }
  function placed(doc, found) {
    const line = doc.line(Math.min(Math.max(found.line, 1), doc.lines));
    const from = offset(line, found.column);
    const to = Math.max(offset(line, found.end_column), Math.min(from + 1, line.to));
    const severity = { error: "error", warning: "warning", note: "info" }[found.severity];
    const help = found.help ? `\n${found.help}` : "";
    return { from, to, severity, source: found.code, message: found.message + help, found };
  }
  function list(view, where, diagnostics) {
    const box = at(where);
    box.textContent = "";
    for (const diagnostic of diagnostics.slice(0, MAX_LISTED)) {
      const { found } = diagnostic;
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      const badge = document.createElement("span");
      badge.className = `dy-badge dy-is-${{ error: "danger", warning: "warning", note: "kept" }[found.severity]}`;
      badge.textContent = `${found.severity} ${found.code}`;
      const place = document.createElement("span");
      place.className = "dy-soft";
      place.textContent = ` line ${found.line} `;
      const message = document.createElement("span");
      message.textContent = found.message;
      button.append(badge, place, message);
      button.addEventListener("click", () => {
        view.dispatch({ selection: { anchor: diagnostic.from, head: diagnostic.to }, effects: CM.EditorView.scrollIntoView(diagnostic.from, { y: "center" }) });
        view.focus();
      });
      item.append(button);
      if (found.help) {
        const help = document.createElement("span");
        help.className = "dy-soft dy-small";
        help.textContent = found.help;
        item.append(help);
      }
      box.append(item);
    }
    if (diagnostics.length > MAX_LISTED) {
      const more = document.createElement("li");
      more.textContent = `and ${diagnostics.length - MAX_LISTED} more`;
      box.append(more);
    }
  }
  function counted(number, word) {
    return `${number} ${word}${number === 1 ? "" : "s"}`;
  }
  async function check(view) {
    const doc = view.state.doc;
    let body;
    try {
      body = await api(config.urls.check, { text: doc.toString(), partition: config.partition });
    } catch (problem) {
      at("dy-checked").textContent = `not checked: ${problem.message}`;
      return [];
    }
    const diagnostics = body.diagnostics.map((found) => placed(doc, found));
    if (view.state.doc !== doc) return diagnostics;
    list(view, "dy-findings", diagnostics);
    numErrors = diagnostics.filter((d) => d.severity === "error").length;
    const others = diagnostics.length - numErrors;
    const warned = others ? `, ${counted(others, "hint")}` : "";
    at("dy-checked").textContent = numErrors ? `${counted(numErrors, "error")}${warned}` : `no errors${warned}`;
    at("dy-checked").classList.toggle("dy-is-problem", numErrors > 0);
    refresh();
    return diagnostics;
  }
  async function checkExpectations(view) {
    const doc = view.state.doc;
    let body;
    try {
      body = await api(config.urls.check_expectations, { text: doc.toString() });
    } catch (problem) {
      say(`not checked: ${problem.message}`, true, "dy-expectations-said");
      return [];
    }
    const diagnostics = body.diagnostics.map((found) => placed(doc, found));
    if (view.state.doc === doc) list(view, "dy-expectation-findings", diagnostics);
    return diagnostics;
  }

  /* ---- the two text fields ---------------------------------------------------------------------------------------- */
  function editor(id, label, source, extra, isExpectations) {
    const place = at(id);
    const text = place.querySelector("textarea").value;
    place.textContent = "";
    return new CM.EditorView({
      parent: place,
      doc: text,
      extensions: [
        CM.lineNumbers(),
        CM.highlightSpecialChars(),
        CM.history(),
        CM.drawSelection(),
        CM.bracketMatching(),
        CM.highlightActiveLine(),
        CM.highlightSelectionMatches(),
        CM.search({ top: true }),
        CM.EditorView.lineWrapping,
        CM.EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" }),
        CM.EditorState.readOnly.of(!config.may_change),
        ...language.extensions(isExpectations),
        CM.lintGutter(),
        CM.linter(source, { delay: 300 }),
        CM.keymap.of([...CM.completionKeymap, ...CM.lintKeymap, ...CM.searchKeymap, ...CM.historyKeymap, ...CM.defaultKeymap]),
        CM.EditorView.updateListener.of((update) => update.docChanged && refresh()),
        extra,
      ],
    });
  }
  const view = editor("dy-text", "Policy text", check, [hitField, hitGutter], false);
  const expectations = editor("dy-expectations", "Expectations", checkExpectations, [], true);
  savedText = saved ? view.state.doc : null;
  savedExpectations = expectations.state.doc;
  // The first check does not wait for a change.
  CM.forceLinting(view);
  CM.forceLinting(expectations);

  const isSaved = () => saved !== null && savedText !== null && view.state.doc.eq(savedText);
  const isTested = () => tested !== null && view.state.doc.eq(tested.doc);

  function refresh() {
    if (!savedExpectations) return;
    const label = saved ? `v${saved.number}${saved.id === config.active_version ? ", active" : ""}` : "no version yet";
    at("dy-state").textContent = isSaved() || !saved ? label : `${label}, changed`;
    at("dy-stale").hidden = tested === null || isTested();
    at("dy-effect").classList.toggle("dy-is-stale", tested !== null && !isTested());
    if (!config.may_change) return;
    at("dy-test").disabled = numErrors > 0 || polling > 0;
    at("dy-save").disabled = numErrors > 0 || isSaved();
    at("dy-save").title = isSaved() ? "The text is that of the saved version." : "";
    at("dy-save-expectations").disabled = expectations.state.doc.eq(savedExpectations);
    const activate = at("dy-activate");
    const isNew = isSaved() && saved.id !== config.active_version;
    activate.hidden = !isNew || !config.may_activate;
    if (isNew) {
      activate.textContent = `Activate v${saved.number}…`;
      activate.classList.toggle("dy-is-off", !saved.cycle);
      activate.setAttribute("aria-disabled", saved.cycle ? "false" : "true");
      activate.title = saved.cycle ? "" : "Test-run this version first.";
      if (saved.cycle) activate.href = config.urls.activate.replace(/0\/$/, `${saved.id}/`);
      else activate.removeAttribute("href");
    }
  }

  /* ---- test run and comparison ------------------------------------------------------------------------------------ */
  async function startComparison(doc, withGuardrails) {
    const isActive = isSaved() && saved.id === config.active_version;
    const wanted = expectations.state.doc.toString();
    if ((config.active_version === null || isActive) && !wanted.trim()) return { id: null, problem: "" };
    try {
      const started = await api(config.urls.comparisons, {
        policy: config.policy,
        text: doc.toString(),
        expectations: wanted,
        with_guardrails: withGuardrails,
      });
      return { id: started.id, problem: "" };
    } catch (problem) {
      return { id: null, problem: `Not compared: ${problem.message}` };
    }
  }
  async function testRun() {
    const doc = view.state.doc;
    const version = isSaved() && config.may_run ? saved : null;
    const withGuardrails = at("dy-guardrails").checked;
    polling += 1;
    refresh();
    say("");
    progress(0, "asking a worker");
    try {
      const asked = version
        ? { version: version.id, with_guardrails: withGuardrails }
        : {
            text: doc.toString(),
            partition: config.partition,
            title: `${config.name}, as edited`,
            deletion_per_iteration: config.deletion_per_iteration,
            with_guardrails: withGuardrails,
          };
      const cycle = await api(config.urls.test_runs, asked);
      const comparison = await startComparison(doc, withGuardrails);
      if (comparison.problem) say(comparison.problem, true);
      await follow(cycle.id, comparison.id, doc, withGuardrails ? null : version);
    } catch (problem) {
      say(problem.message, true);
    } finally {
      polling -= 1;
      at("dy-running").hidden = true;
      refresh();
    }
  }
  function progress(percent, stage) {
    at("dy-running").hidden = false;
    at("dy-progress").value = percent;
    at("dy-stage").textContent = stage;
  }
  async function effect(cycle, comparison) {
    const query = comparison ? `?cycle=${cycle}&comparison=${comparison}` : `?cycle=${cycle}`;
    const answer = await fetch(config.urls.effect + query, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`The test run cannot be shown: the server answered ${answer.status}.`);
    // The server's own escaped page part.
    return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("dy-result");
  }
  async function follow(cycle, comparison, doc, version) {
    for (let turn = 0; ; turn += 1) {
      const part = await effect(cycle, comparison);
      if (part === null) throw new Error("The test run cannot be shown: log in again.");
      if (part.dataset.running === "no") {
        show(part, cycle, doc, version);
        return;
      }
      const waits = part.dataset.stage || (turn > 14 ? "waiting for a worker: is one running?" : "waiting for a worker");
      progress(Number(part.dataset.percent), waits);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  function show(part, cycle, doc, version) {
    at("dy-effect").replaceChildren(document.importNode(part, true));
    if (part.dataset.completed !== "yes") return;
    tested = { doc, cycle };
    if (version && saved && version.id === saved.id) saved.cycle = cycle;
    if (view.state.doc.eq(doc)) {
      const hits = JSON.parse(at("dy-hits").textContent);
      view.dispatch({ effects: setHits.of(hits) });
    }
  }

  /* ---- saving ----------------------------------------------------------------------------------------------------- */
  async function save() {
    const doc = view.state.doc;
    const run = isTested() ? tested.cycle : null;
    at("dy-save").disabled = true;
    try {
      const version = await api(config.urls.versions, { text: doc.toString(), comment: at("dy-comment").value, test_run: run });
      saved = { id: version.id, number: version.number, cycle: version.is_tested ? run : null };
      savedText = doc;
      at("dy-comment").value = "";
      say(version.is_tested ? `Saved as v${version.number}.` : `Saved as v${version.number}. Test-run it before it can be activated.`);
    } catch (problem) {
      say(problem.message, true);
    }
    refresh();
  }
  async function saveExpectations() {
    const doc = expectations.state.doc;
    try {
      const stored = await fetch(config.urls.expectations, { credentials: "same-origin", headers: { Accept: "application/json" } });
      const text = stored.ok ? (await stored.json()).text.replace(/\r\n?/g, "\n") : null;
      if (text !== savedExpectations.toString()) {
        throw new Error("Somebody else has changed the expectations meanwhile: reload the page, then enter yours again.");
      }
      await api(config.urls.expectations, { text: doc.toString() }, "PUT", { "If-Match": stored.headers.get("ETag") });
      savedExpectations = doc;
      say("Saved.", false, "dy-expectations-said");
    } catch (problem) {
      say(problem.message, true, "dy-expectations-said");
    }
    refresh();
  }

  if (config.may_change) {
    at("dy-check").addEventListener("click", () => {
      at("dy-checked").textContent = "checking";
      check(view).then((found) => {
        if (found.length) CM.nextDiagnostic(view);
      });
    });
    at("dy-test").addEventListener("click", testRun);
    at("dy-save").addEventListener("click", save);
    at("dy-save-expectations").addEventListener("click", saveExpectations);
    window.addEventListener("beforeunload", (event) => {
      const isUnsaved = (saved ? !isSaved() : view.state.doc.length > 200) || !expectations.state.doc.eq(savedExpectations);
      if (isUnsaved) event.preventDefault();
    });
  }
  refresh();
  if (saved && saved.cycle) {
    follow(saved.cycle, null, view.state.doc, null).then(refresh, (problem) => say(problem.message, true));
  }
})();
