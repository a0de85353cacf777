/* Colours and completion of the policy language. The words come with the page, from the registry that the checker reads. */
"use strict";

window.DynamoLanguage = function (words) {
  const { StreamLanguage, HighlightStyle, syntaxHighlighting, autocompletion, tags } = CodeMirrorBundle;
  const variables = new Map(words.variables.map((variable) => [variable.name, variable]));
  const WORD_OPERATORS = ["and", "or", "not", "in", "notin", "older_than", "newer_than", "until", "from", "at"];
  const LITERALS = ["always", "never", "none", "increasing", "decreasing", "Static"];
  const OPERATORS = {
    bool: [],
    text: ["==", "!=", "=~", "!=~", "in", "notin"],
    enum: ["==", "!=", "in", "notin"],
    number: ["==", "!=", "<", ">", "<=", ">=", "in", "notin"],
    time: ["older_than", "newer_than", "==", "!=", "<", ">"],
    attribute: ["==", "!=", "<", ">", "=~", "in", "notin"],
  };
  const HINTS = {
    Partition: "the partition the policy works in", On: "target sites", When: "a site is too full", Until: "a site is clean enough",
    Protect: "stays", Dismiss: "may go if its site is too full", Delete: "goes now", Ignore: "left alone",
    Order: "which candidates go first", Algo: "Algo Static: no steps",
  };

  const isVariable = (name) => variables.has(name) || name.startsWith("dataset.attr.");

  function token(stream, state) {
    if (stream.sol()) {
      state.isFirst = true;
      state.isValue = false;
    }
    const before = stream.pos === 0 || /\s/.test(stream.string[stream.pos - 1]);
    if (stream.eatSpace()) return null;
    if (stream.peek() === "#" && (before || stream.pos === 0 || /\s/.test(stream.string[stream.pos - 1]))) {
      stream.skipToEnd();
      return "comment";
    }
    const isFirst = state.isFirst;
    state.isFirst = false;
    if (isFirst) {
      const word = stream.match(/^\S+/)[0];
      state.isExpect = word === "expect";
      return words.statements.includes(word) || state.isExpect ? "keyword" : null;
    }
    if (stream.match(/^@[^\s(]+(\([^)]*\))?/)) return "meta";
    if (stream.match(/^(==|!=~|=~|!=|<=|>=|<|>)(?=\s|$)/)) {
      state.isValue = true;
      return "operator";
    }
    if (stream.match(/^[()[\]]/)) return "bracket";
    if (stream.match(/^allow last copy(?=\s*(#|$))/)) return "keyword";
    const word = stream.match(/^[^\s()[\]]+/)[0];
    if (WORD_OPERATORS.includes(word)) {
      state.isValue = ["in", "notin", "older_than", "newer_than", "until", "from", "at"].includes(word);
      return "operatorKeyword";
    }
    if (state.isExpect && words.expected_words.includes(word)) return "keyword";
    if (isVariable(word)) return "variableName";
    if (LITERALS.includes(word)) return "atom";
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) return "number";
    return state.isValue ? "string" : null;
  }

  const language = StreamLanguage.define({
    name: "policy",
    startState: () => ({ isFirst: true, isValue: false, isExpect: false }),
    copyState: (state) => ({ ...state }),
    token,
    languageData: { commentTokens: { line: "#" } },
  });
  const style = HighlightStyle.define([
    { tag: tags.keyword, class: "dy-cm-keyword" },
    { tag: tags.operatorKeyword, class: "dy-cm-word" },
    { tag: tags.operator, class: "dy-cm-word" },
    { tag: tags.variableName, class: "dy-cm-variable" },
    { tag: tags.string, class: "dy-cm-value" },
    { tag: tags.number, class: "dy-cm-value" },
    { tag: tags.atom, class: "dy-cm-value" },
    { tag: tags.comment, class: "dy-cm-comment" },
    { tag: tags.meta, class: "dy-cm-label" },
  ]);

  function variableOption(variable) {
    const kind = variable.unit ? `${variable.type}, ${variable.unit}` : variable.type;
    const values = variable.choices.length ? ` One of ${variable.choices.join(", ")}.` : "";
    return { label: variable.name, type: "variable", detail: kind, info: variable.doc + values };
  }
  const plain = (type) => (label) => ({ label, type });

  function complete(context, isExpectations) {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const word = context.matchBefore(/[A-Za-z_][\w.]*/);
    if (!word && !context.explicit) return null;
    if (/(^|\s)#/.test(before)) return null;
    const from = word ? word.from : context.pos;
    const lead = before.slice(0, from - line.from);
    const options = optionsAfter(lead, isExpectations);
    return options.length ? { from, options, validFor: /^[\w.]*$/ } : null;
  }

  function optionsAfter(lead, isExpectations) {
    if (!lead.trim()) {
      const starts = isExpectations ? ["expect"] : words.statements;
      return starts.map((label) => ({ label, type: "keyword", detail: HINTS[label] || "" }));
    }
    if (/^\s*expect\s+(not\s+)?$/.test(lead)) {
      const next = /not\s+$/.test(lead) ? words.expected_words : ["not", ...words.expected_words];
      return next.map(plain("keyword"));
    }
    const compared = lead.match(/([a-z]+\.[\w.]+)\s+(?:==|!=|in\s+\[[^\]]*|notin\s+\[[^\]]*)\s*$/);
    if (compared) return (variables.get(compared[1])?.choices || []).map(plain("constant"));
    const after = lead.match(/(?:^|[\s(])([a-z]+\.[\w.]+)\s+$/);
    const statement = lead.trim().split(/\s+/)[0];
    if (after && isVariable(after[1]) && statement !== "Order") {
      const type = variables.get(after[1])?.type || "attribute";
      return [...OPERATORS[type], "and", "or"].map(plain("keyword"));
    }
    return variablesFor(statement);
  }

  function variablesFor(statement) {
    if (statement === "Partition" || statement === "Algo") return statement === "Algo" ? [plain("keyword")("Static")] : [];
    const isSite = words.site_statements.includes(statement);
    const fits = (v) => (isSite ? v.in_sites : statement === "Order" ? v.sortable && v.in_replicas : v.in_replicas);
    const found = words.variables.filter(fits).map(variableOption);
    if (statement === "Order") return [...["none", "increasing", "decreasing"].map(plain("keyword")), ...found];
    return [...found, ...["and", "or", "not"].map(plain("keyword")), ...(isSite ? ["always", "never"].map(plain("constant")) : [])];
  }

  return {
    /* The extensions for a policy text, or with true for expectations. */
    extensions(isExpectations) {
      const source = (context) => complete(context, isExpectations);
      return [language, syntaxHighlighting(style), autocompletion({ override: [source], icons: false })];
    },
  };
};
