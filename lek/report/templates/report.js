// The cases of a report: a table with filters, and a view of one case with the answers side by
// side. The data are in the page, compressed (see embedding.py and cases.py). All texts are set as
// text, never as HTML.

(() => {
  const ROW = 28; // pixels, as in report.css
  const SPARE = 20; // rows that are drawn above and below the visible ones
  const PAUSE = 12; // milliseconds of work, after which the browser may draw
  const LONGEST_COMPARISON = 4e6; // words of one answer times words of the other
  const ALPHABET =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%/()*+-;,=.?@^_:{|}~";
  // Characters that are not seen, or change the direction of the text around them
  const UNSEEN =
    /(?!\t|\n|\ufe0f|\r\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
  const JOINER = /\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?$/u; // may precede U+200D

  // Data

  const digits = new Uint8Array(128);
  for (const [digit, letter] of [...ALPHABET].entries()) digits[letter.charCodeAt(0)] = digit;

  const decode = (text) => {
    const padding = (5 - (text.length % 5)) % 5;
    const padded = text + "~".repeat(padding);
    const bytes = new Uint8Array((padded.length / 5) * 4);
    for (let i = 0, at = 0; i < padded.length; i += 5) {
      let word = 0;
      for (let place = 0; place < 5; place += 1) {
        word = word * 85 + digits[padded.charCodeAt(i + place)];
      }
      bytes[at++] = word >>> 24;
      bytes[at++] = word >>> 16;
      bytes[at++] = word >>> 8;
      bytes[at++] = word;
    }
    return bytes.subarray(0, bytes.length - padding);
  };

  const unpack = async (element) => {
    const stream = new Blob([decode(element.textContent)])
      .stream()
      .pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  const packed = document.getElementsByClassName("lek-block");
  const blocks = new Map(); // the last blocks that were unpacked, by number
  const block = async (number) => {
    if (!blocks.has(number)) {
      if (blocks.size > 7) blocks.delete(blocks.keys().next().value);
      blocks.set(number, unpack(packed[number]));
    }
    return blocks.get(number);
  };

  // Elements

  const make = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  // The text with visible marks in place of characters that are not seen.
  const shown = (text) => {
    const parts = [];
    let last = 0;
    for (const match of text.matchAll(UNSEEN)) {
      const joins = match[0] === "\u200d" && JOINER.test(text.slice(0, match.index));
      if (joins) continue;
      const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      parts.push(text.slice(last, match.index));
      parts.push(make("span", { className: "lek-character", title: `U+${code}` }, `U+${code}`));
      last = match.index + match[0].length;
    }
    parts.push(text.slice(last));
    return parts;
  };

  const textBlock = (text) => make("div", { className: "lek-text", dir: "auto" }, ...shown(text));

  // Cases

  class Cases {
    constructor(index) {
      Object.assign(this, index);
      this.base = this.subjects.indexOf(this.baseline);
      this.rows = [];
      for (const benchmark of this.benchmarks) {
        for (const [place, id] of benchmark.ids.entries()) {
          this.rows.push({ number: this.rows.length, benchmark, place, id });
        }
      }
    }

    score(row, measure, subject) {
      return measure === undefined ? null : measure.scores[subject][row.place];
    }

    change(row, measure, subject) {
      if (this.base < 0 || subject === this.base) return null;
      const [ours, theirs] = [subject, this.base].map((s) => this.score(row, measure, s));
      return ours === null || theirs === null ? null : ours - theirs;
    }

    async texts(row) {
      let number = this.starts.length - 1;
      while (this.starts[number] > row.number) number -= 1;
      return (await block(number))[row.number - this.starts[number]];
    }
  }

  const number = (measure, value, signed = false) => {
    if (value === null) return "–";
    const sign = signed && value > 0 ? "+" : "";
    const text = measure.fraction ? value * 100 : value;
    const rounded = Math.round(text * 100) / 100;
    return `${sign}${String(rounded).replace("-", "−")}${measure.fraction ? "%" : ""}`;
  };

  const changeMark = (measure, change) => {
    if (change === null || Math.abs(change) < 1e-9) return [];
    const className = change > 0 ? "lek-good" : "lek-bad";
    const arrow = change > 0 ? "▲" : "▼";
    const whole = measure.fraction && Math.abs(change) === 1; // from wrong to right, or back
    return [
      " ",
      make("span", { className }, whole ? arrow : `${arrow}${number(measure, change, true)}`),
    ];
  };

  // Search in all texts: one lower-case string per block, made when it is needed

  class Search {
    constructor(cases) {
      this.cases = cases;
      this.blocks = [];
    }

    static contents(row, texts) {
      const answers = texts.answers
        .filter((answer) => answer !== null)
        .flatMap((a) => [a.text ?? "", a.missing ?? "", a.reason ?? "", a.thought ?? ""]);
      const reference = Object.values(texts.reference).map((v) => JSON.stringify(v));
      return [row.id, texts.prompt, ...reference, ...answers].join("\n").toLowerCase();
    }

    // The numbers of the cases that contain `words`; null if `isCurrent` became false meanwhile.
    async find(words, isCurrent, onProgress) {
      const { starts, rows } = this.cases;
      const found = new Set();
      let since = performance.now();
      for (let n = 0; n < starts.length; n += 1) {
        if (this.blocks[n] === undefined) {
          onProgress(n / starts.length);
          const texts = await unpack(packed[n]);
          const contents = texts.map((t, i) => Search.contents(rows[starts[n] + i], t));
          let end = 0;
          const ends = contents.map((text) => (end += text.length + 1));
          this.blocks[n] = { text: contents.join("\0"), ends };
        }
        const { text, ends } = this.blocks[n];
        for (let i = 0, at = text.indexOf(words); at >= 0; at = text.indexOf(words, ends[i])) {
          while (ends[i] <= at) i += 1;
          found.add(starts[n] + i);
        }
        if (performance.now() - since > PAUSE) {
          await new Promise((resume) => setTimeout(resume));
          since = performance.now();
        }
        if (!isCurrent()) return null;
      }
      return found;
    }
  }

  // Differences between two texts, by words: lists of [text, whether it is in both]

  const compare = (ours, theirs) => {
    const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
    const [a, b] = [words(ours), words(theirs)];
    let start = 0;
    while (start < Math.min(a.length, b.length) && a[start] === b[start]) start += 1;
    let end = 0;
    const most = Math.min(a.length, b.length) - start;
    while (end < most && a.at(-1 - end) === b.at(-1 - end)) end += 1;
    const [x, y] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
    const result = [];
    const add = (word, same) => {
      const last = result.at(-1);
      if (last !== undefined && last[1] === same) last[0] += word;
      else result.push([word, same]);
    };
    for (const word of a.slice(0, start)) add(word, true);
    if (x.length * y.length > LONGEST_COMPARISON) {
      for (const word of x) add(word, false);
    } else {
      // the longest common subsequence: table[i][j] is its length for x from i, and y from j
      const width = y.length + 1;
      const table = new Uint16Array((x.length + 1) * width);
      for (let i = x.length - 1; i >= 0; i -= 1) {
        for (let j = y.length - 1; j >= 0; j -= 1) {
          table[i * width + j] =
            x[i] === y[j]
              ? table[(i + 1) * width + j + 1] + 1
              : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
        }
      }
      for (let i = 0, j = 0; i < x.length; ) {
        if (j < y.length && x[i] === y[j]) {
          add(x[i], true);
          i += 1;
          j += 1;
        } else if (j < y.length && table[i * width + j + 1] > table[(i + 1) * width + j]) {
          j += 1;
        } else {
          add(x[i], false);
          i += 1;
        }
      }
    }
    for (const word of a.slice(a.length - end)) add(word, true);
    return result;
  };

  // The view of one case

  class CaseView {
    constructor(cases, browser) {
      this.cases = cases;
      this.browser = browser;
      this.title = make("h2", { id: "lek-case-title" });
      this.content = make("div");
      this.marks = make("input", { type: "checkbox", checked: true });
      this.marks.addEventListener("change", () => this.draw());
      const button = (text, action) => make("button", { type: "button", onclick: action }, text);
      this.dialog = make("dialog", { className: "lek-case", "aria-labelledby": "lek-case-title" });
      this.dialog.append(
        make(
          "header",
          {},
          this.title,
          ...(cases.base < 0
            ? []
            : [make("label", {}, this.marks, ` mark differences from ${cases.baseline}`)]),
          button("Previous (k)", () => browser.step(-1)),
          button("Next (j)", () => browser.step(1)),
          make(
            "button",
            { type: "button", autofocus: true, onclick: () => this.dialog.close() },
            "Close (Esc)",
          ),
        ),
        this.content,
      );
      this.dialog.addEventListener("close", () => browser.closed());
      document.getElementById("lek").append(this.dialog);
    }

    get isOpen() {
      return this.dialog.open;
    }

    async open(row) {
      this.row = row;
      this.title.replaceChildren(...shown(`${row.benchmark.name}: ${row.id}`));
      this.content.replaceChildren(make("p", { className: "lek-dim" }, "Unpacking…"));
      if (!this.isOpen) this.dialog.showModal();
      const texts = await this.cases.texts(row);
      if (this.row !== row) return;
      this.texts = texts;
      this.draw();
      this.dialog.scrollTop = 0;
    }

    draw() {
      const { texts } = this;
      const reference = make("dl", { className: "lek-reference" });
      const add = (name, text) =>
        reference.append(make("dt", {}, ...shown(name)), make("dd", {}, textBlock(text)));
      add("prompt", texts.prompt);
      for (const [name, value] of Object.entries(texts.reference)) {
        const values = Array.isArray(value) ? value : [value];
        add(name, values.map((v) => (typeof v === "string" ? v : JSON.stringify(v))).join("\n"));
      }
      const answers = make("div", { className: "lek-answers", tabIndex: 0 });
      answers.setAttribute("role", "region");
      answers.setAttribute("aria-label", "Answers of all subjects");
      texts.answers.forEach((answer, subject) => {
        if (answer !== null) answers.append(this.answer(answer, subject));
      });
      this.content.replaceChildren(reference, answers);
    }

    answer(answer, subject) {
      const { cases, row } = this;
      const scores = make("dl");
      for (const measure of row.benchmark.measures) {
        const score = cases.score(row, measure, subject);
        const unscored = answer.unscored?.[measure.name];
        if (score === null && unscored === undefined) continue; // it does not apply
        const text = score === null ? ["unscored: ", ...shown(unscored)] : [number(measure, score)];
        scores.append(
          make("dt", {}, ...shown(measure.name)),
          make("dd", {}, ...text, ...changeMark(measure, cases.change(row, measure, subject))),
        );
      }
      const article = make(
        "article",
        { className: "lek-answer" },
        make("h3", {}, ...shown(cases.subjects[subject])),
        scores,
      );
      const add = (heading, ...content) => article.append(make("h4", {}, heading), ...content);
      if (answer.likelihoods) add("log-likelihoods of the choices (nat)", likelihoods(answer));
      else if (answer.text === undefined) add("no answer", textBlock(answer.missing));
      else add("answer", this.text(answer.text, subject));
      if (answer.finish === "length") {
        article.append(make("p", { className: "lek-open" }, "Cut off at the limit of tokens."));
      }
      if (answer.reason) add("reason", textBlock(answer.reason));
      if (answer.votes?.length > 1) {
        add("votes", ...answer.votes.map((vote) => textBlock(voteText(vote))));
      }
      if (answer.thought) {
        const tokens = answer.thought_tokens ? `, ${answer.thought_tokens} tokens` : "";
        article.append(folded(`thought, not judged${tokens}`, answer.thought));
      }
      if (answer.rendered) article.append(folded("prompt as the model got it", answer.rendered));
      article.append(make("p", { className: "lek-dim" }, facts(answer)));
      return article;
    }

    text(text, subject) {
      const other = this.texts.answers[this.cases.base]?.text;
      if (!this.marks.checked || subject === this.cases.base || other === undefined) {
        return textBlock(text || "(empty)");
      }
      const parts = compare(text, other).map(([part, same]) =>
        same ? make("span", {}, ...shown(part)) : make("ins", {}, ...shown(part)),
      );
      return make("div", { className: "lek-text", dir: "auto" }, ...parts);
    }
  }

  const likelihoods = (answer) => {
    const sorted = Object.entries(answer.likelihoods).sort((a, b) => b[1] - a[1]);
    const list = make("dl");
    for (const [choice, value] of sorted) {
      list.append(make("dt", {}, value.toFixed(2)), make("dd", {}, ...shown(choice)));
    }
    return list;
  };

  const voteText = (vote) => {
    const scores = Object.entries(vote.scores).map(([name, score]) => `${name} ${score}`);
    return `${scores.join(", ")}: ${vote.reasons}`;
  };

  const folded = (summary, text) =>
    make("details", {}, make("summary", {}, summary), textBlock(text));

  const facts = (answer) => {
    const parts = [`judged by ${[...new Set(Object.values(answer.judges))].join(", ")}`];
    if (answer.prompt_tokens !== undefined) parts.push(`prompt ${answer.prompt_tokens} tokens`);
    if (answer.completion_tokens !== undefined) parts.push(`answer ${answer.completion_tokens}`);
    if (answer.seconds !== undefined) parts.push(`${answer.seconds.toFixed(1)} s`);
    return parts.join("; ");
  };

  // The table of cases, with its filters

  const SORTS = {
    order: "order of the run",
    lowest: "lowest score",
    highest: "highest score",
    moved: "largest change",
    worse: "largest loss",
    better: "largest gain",
  };
  const SHOW = {
    all: "all",
    changed: "changed",
    worse: "worse than baseline",
    better: "better than baseline",
    unscored: "unscored",
    missing: "without an answer",
    declined: "declined",
  };

  class Browser {
    constructor(cases, place) {
      this.cases = cases;
      this.search = new Search(cases);
      this.current = null; // the row that is marked
      this.rows = [];
      this.query = 0; // number of the last filter that was started
      this.view = new CaseView(cases, this);
      this.fields = {
        text: make("input", { type: "search", placeholder: "in all texts ( / )" }),
        benchmark: select(["", ...cases.benchmarks.map((b) => b.name)], (name) => name || "all"),
        measure: make("select"),
        subject: select(cases.subjects, (name) => name, cases.focus),
        show: select(Object.keys(SHOW), (key) => SHOW[key]),
        least: make("input", { type: "number", step: "any" }),
        most: make("input", { type: "number", step: "any" }),
        sort: select(Object.keys(SORTS), (key) => SORTS[key]),
      };
      const labels = {
        text: "search",
        benchmark: "benchmark",
        measure: "measure",
        subject: "subject",
        show: "show",
        least: "score from",
        most: "to",
        sort: "sort by",
      };
      const tools = make("form", { className: "lek-tools", role: "search" });
      tools.setAttribute("aria-label", "Filter the cases");
      tools.addEventListener("submit", (event) => event.preventDefault());
      for (const [name, field] of Object.entries(this.fields)) {
        field.addEventListener("input", () => this.filter());
        field.setAttribute("aria-label", labels[name]); // without the options of a select
        tools.append(make("label", {}, labels[name], field));
      }
      this.fields.benchmark.addEventListener("input", () => this.showMeasures());
      this.status = make("p", { className: "lek-dim", role: "status" });
      this.head = make("thead");
      this.body = make("tbody");
      this.table = make("table", {}, this.head, this.body);
      this.list = make("div", { className: "lek-list", tabIndex: 0 }, this.table);
      this.list.setAttribute("role", "region");
      this.list.setAttribute("aria-label", "Table of cases");
      this.list.addEventListener("scroll", () => this.scheduleDraw(), { passive: true });
      this.body.addEventListener("click", (event) => this.clicked(event));
      window.addEventListener("resize", () => this.scheduleDraw());
      window.addEventListener("hashchange", () => this.read());
      document.addEventListener("keydown", (event) => this.key(event));
      place.replaceChildren(
        tools,
        this.status,
        this.list,
        make(
          "p",
          { className: "lek-dim" },
          "Keys: j, k next and previous case, Enter opens it, / searches, Esc closes.",
        ),
      );
      this.showMeasures();
      this.read();
    }

    get benchmark() {
      return this.cases.benchmarks.find((b) => b.name === this.fields.benchmark.value);
    }

    // The measure that is shown for a benchmark: the selected one, or else its first.
    measure(benchmark) {
      const name = this.fields.measure.value;
      return benchmark.measures.find((m) => m.name === name) ?? benchmark.measures[0];
    }

    showMeasures() {
      const { measure } = this.fields;
      const all = this.benchmark ? [this.benchmark] : this.cases.benchmarks;
      const names = [...new Set(all.flatMap((b) => b.measures.map((m) => m.name)))];
      const chosen = names.includes(measure.value) ? measure.value : "";
      const choices = ["", ...names].map((name) =>
        make("option", { value: name, selected: name === chosen }, name || "first of each"),
      );
      measure.replaceChildren(...choices);
    }

    // The state of the filter and the open case, in the address

    write(replaced = true) {
      const state = new URLSearchParams();
      for (const [name, field] of Object.entries(this.fields)) {
        if (field.value !== (field.dataset.initial ?? "")) state.set(name, field.value);
      }
      if (this.view.isOpen)
        state.set("case", `${this.view.row.benchmark.name}/${this.view.row.id}`);
      const hash = state.toString();
      if (hash === location.hash.slice(1)) return;
      const address = hash ? `#${hash}` : location.pathname + location.search;
      history[replaced ? "replaceState" : "pushState"](null, "", address);
    }

    read() {
      const state = new URLSearchParams(location.hash.slice(1));
      for (const [name, field] of Object.entries(this.fields)) {
        field.value = state.get(name) ?? field.dataset.initial ?? "";
        if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
        if (name === "benchmark") this.showMeasures();
      }
      const address = state.get("case");
      const slash = address ? address.indexOf("/") : -1;
      const row =
        address &&
        this.cases.rows.find(
          (r) => r.benchmark.name === address.slice(0, slash) && r.id === address.slice(slash + 1),
        );
      if (row) this.view.open(row);
      else if (this.view.isOpen) this.view.dialog.close();
      this.filter(row || undefined);
    }

    // Filter and sort

    async filter(keep) {
      const query = ++this.query;
      const { cases, fields } = this;
      const subject = cases.subjects.indexOf(fields.subject.value);
      const [least, most] = [fields.least, fields.most].map((f) =>
        f.value === "" ? null : Number(f.value),
      );
      const words = fields.text.value.trim().toLowerCase();
      const found =
        words === ""
          ? null
          : await this.search.find(
              words,
              () => query === this.query,
              (share) => (this.status.textContent = `Searching… ${Math.round(share * 100)}%`),
            );
      if (query !== this.query) return;
      const keeps = (row) => {
        if (this.benchmark && row.benchmark !== this.benchmark) return false;
        if (found !== null && !found.has(row.number)) return false;
        const measure = this.measure(row.benchmark);
        const score = cases.score(row, measure, subject);
        const unit = measure?.fraction ? 100 : 1;
        if (least !== null && (score === null || score * unit < least - 1e-9)) return false;
        if (most !== null && (score === null || score * unit > most + 1e-9)) return false;
        return this.isShown(row, measure, subject);
      };
      this.rows = cases.rows.filter(keeps);
      this.sort(subject);
      this.status.textContent =
        `${this.rows.length.toLocaleString("en")} of ` +
        `${cases.rows.length.toLocaleString("en")} cases`;
      this.current = keep ?? (this.rows.includes(this.current) ? this.current : null);
      this.drawHead();
      if (keep === undefined) this.list.scrollTop = 0;
      this.draw();
      this.write();
    }

    isShown(row, measure, subject) {
      const { cases } = this;
      const state = row.benchmark.states[subject][row.place];
      const change = cases.change(row, measure, subject) ?? 0;
      switch (this.fields.show.value) {
        case "changed":
          return Math.abs(change) > 1e-9;
        case "worse":
          return change < -1e-9;
        case "better":
          return change > 1e-9;
        case "unscored":
          return state === "u" || state === "n";
        case "missing":
          return state === "n" || state === "-";
        case "declined": {
          const refusal = row.benchmark.measures.find((m) => m.source === "refusal_detector");
          return cases.score(row, refusal, subject) === 1;
        }
        default:
          return true;
      }
    }

    sort(subject) {
      const { cases } = this;
      const order = this.fields.sort.value;
      if (order === "order") return;
      const unknown = Infinity; // rows without a value come last
      const key = (row) => {
        const measure = this.measure(row.benchmark);
        const length = measure ? measure.high - measure.low : 1;
        if (order === "lowest" || order === "highest") {
          const score = cases.score(row, measure, subject);
          if (score === null) return unknown;
          const share = (score - measure.low) / length;
          return order === "lowest" ? share : -share;
        }
        const change = cases.change(row, measure, subject);
        if (change === null) return unknown;
        if (order === "moved") return -Math.abs(change / length);
        return order === "worse" ? change / length : -change / length;
      };
      const keys = new Map(this.rows.map((row) => [row, key(row)]));
      this.rows.sort((a, b) => keys.get(a) - keys.get(b) || a.number - b.number);
    }

    // Drawing: only the rows near the visible ones are in the document

    drawHead() {
      const { cases } = this;
      const names = cases.subjects.map((name) =>
        make("th", { className: "lek-score", scope: "col", title: name }, ...shown(name)),
      );
      this.head.replaceChildren(
        make(
          "tr",
          {},
          make("th", { className: "lek-id", scope: "col" }, "case"),
          make("th", { className: "lek-question-cell", scope: "col" }, "prompt"),
          ...names,
        ),
      );
      this.table.setAttribute("aria-rowcount", this.rows.length + 1);
      this.table.style.setProperty("--lek-subjects", cases.subjects.length);
    }

    scheduleDraw() {
      if (this.scheduled) return;
      this.scheduled = true;
      requestAnimationFrame(() => {
        this.scheduled = false;
        this.draw();
      });
    }

    draw() {
      const visible = Math.ceil(this.list.clientHeight / ROW);
      const top = Math.floor(this.list.scrollTop / ROW);
      const first = Math.max(0, top - SPARE);
      const last = Math.min(this.rows.length, top + visible + SPARE);
      const space = (rows) => {
        const cell = make("td", { colSpan: this.cases.subjects.length + 2 });
        cell.style.height = `${rows * ROW}px`;
        return make("tr", { className: "lek-space", "aria-hidden": "true" }, cell);
      };
      this.body.replaceChildren(
        space(first),
        ...this.rows.slice(first, last).map((row, i) => this.row(row, first + i)),
        space(this.rows.length - last),
      );
    }

    row(row, place) {
      const { cases } = this;
      const measure = this.measure(row.benchmark);
      const scores = cases.subjects.map((_, subject) => {
        const state = row.benchmark.states[subject][row.place];
        const score = cases.score(row, measure, subject);
        const text =
          score !== null
            ? number(measure, score)
            : ({ u: "unscored", n: "no answer" }[state] ?? "–");
        const change = changeMark(measure, cases.change(row, measure, subject));
        return make("td", { className: "lek-score" }, text, ...change);
      });
      const link = make("a", { href: this.address(row) }, ...shown(row.id));
      const element = make(
        "tr",
        { "aria-rowindex": place + 2 },
        make("th", { className: "lek-id", scope: "row" }, link),
        make(
          "td",
          { className: "lek-question-cell", dir: "auto" },
          ...shown(row.benchmark.excerpts[row.place]),
        ),
        ...scores,
      );
      if (row === this.current) element.setAttribute("aria-current", "true");
      element.dataset.place = place;
      return element;
    }

    address(row) {
      const state = new URLSearchParams(location.hash.slice(1));
      state.set("case", `${row.benchmark.name}/${row.id}`);
      return `#${state}`;
    }

    // Actions

    clicked(event) {
      const element = event.target.closest("tr[data-place]");
      if (!element || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.openRow(this.rows[Number(element.dataset.place)]);
    }

    openRow(row) {
      this.mark(row);
      this.view.open(row).then(() => this.write(false));
    }

    closed() {
      this.write(false);
      this.reveal();
      this.list.focus({ preventScroll: true });
    }

    mark(row) {
      this.current = row;
      this.reveal();
      this.draw();
    }

    reveal() {
      const place = this.rows.indexOf(this.current);
      if (place < 0) return;
      const top = place * ROW;
      const height = this.list.clientHeight - this.head.offsetHeight - ROW;
      if (top < this.list.scrollTop) this.list.scrollTop = top;
      else if (top > this.list.scrollTop + height) this.list.scrollTop = top - height;
    }

    step(by) {
      if (this.rows.length === 0) return;
      const place = this.rows.indexOf(this.current);
      const next = place < 0 ? 0 : Math.min(this.rows.length - 1, Math.max(0, place + by));
      if (this.view.isOpen) this.openRow(this.rows[next]);
      else this.mark(this.rows[next]);
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target.closest("input:not([type=checkbox]), select");
      if (event.key === "Escape" && typing && !this.view.isOpen) {
        event.target.blur();
        return;
      }
      if (typing && !(event.key === "Enter" && event.target === this.fields.text)) return;
      if (event.key === "j" || event.key === "k") this.step(event.key === "j" ? 1 : -1);
      else if (event.key === "/" && !this.view.isOpen) this.fields.text.focus();
      else if (event.key === "Enter" && !this.view.isOpen && this.enters(event.target)) {
        if (this.current === null) this.step(0);
        if (this.current !== null) this.openRow(this.current);
      } else return;
      event.preventDefault();
    }

    // Whether Enter on `element` opens the marked case, and has no other effect there.
    enters(element) {
      return !element.closest("a, button, summary") || element === this.fields.text;
    }
  }

  const select = (values, label, initial = values[0]) => {
    const options = values.map((value) => make("option", { value }, label(value)));
    const element = make("select", {}, ...options);
    element.value = initial;
    element.dataset.initial = initial;
    return element;
  };

  const start = async () => {
    // pytest-html puts empty lists directly into lists, which is not valid
    for (const list of document.querySelectorAll("#environment ul > ul:empty")) list.remove();
    const place = document.getElementById("lek-browser");
    if (typeof DecompressionStream === "undefined") {
      place.textContent = "This browser cannot unpack the cases (it lacks DecompressionStream).";
      return;
    }
    const index = await unpack(document.getElementById("lek-index"));
    if (index.benchmarks.length === 0) place.textContent = "No case was evaluated.";
    else new Browser(new Cases(index), place);
  };

  start();
})();
