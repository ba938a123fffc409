import { parseAst } from "vite";

/** A place in the code that a run can come by: the beginning of a function, of a branch, of a loop's body, of an operator's right side. */
type Node = { type: string; start: number; end: number; [field: string]: unknown };

/** What the instrumented code calls. It is global, since that code must import nothing that its source does not. */
declare global {
  var fuzzReached: (point: number) => void;
}

/** The places of one source file, numbered through all files. */
export type Points = { file: string; first: number; count: number };

/** Ways from one place to the next are told apart in so many slots, as AFL does it: two that share one cost a little sight. */
const SLOTS = 1 << 16;
const MOST_POINTS = 10_000;

/** Where runs came by, how often, and in which order. */
export class Coverage {
  readonly #counts = new Uint32Array(SLOTS);
  readonly #seen = new Uint8Array(SLOTS);
  readonly #reached = new Uint8Array(MOST_POINTS);
  readonly #files: Points[] = [];
  #touched: number[] = [];
  #last = 0;
  #points = 0;

  constructor() {
    globalThis.fuzzReached = (point) => {
      this.#reached[point] = 1;
      const slot = (this.#last ^ (point * 0x9e37)) & (SLOTS - 1);
      if (this.#counts[slot] === 0) this.#touched.push(slot);
      this.#counts[slot] = (this.#counts[slot] as number) + 1;
      this.#last = (point * 0x9e37) >>> 1;
    };
  }

  /** The source with its places numbered, and the texts that stand in it, which hold what inputs are compared with. */
  instrument(file: string, source: string): { code: string; words: string[] } {
    const first = this.#points;
    const { code, count, words } = numbered(source, first);
    this.#points += count;
    this.#files.push({ file, first, count });
    return { code, words };
  }

  /** Begins a run. */
  begin(): void {
    for (const slot of this.#touched) this.#counts[slot] = 0;
    this.#touched = [];
    this.#last = 0;
  }

  /** Did the run go a way that none has gone, or one more often than any? Counts are told apart by doublings. */
  isNew(): boolean {
    let found = false;
    for (const slot of this.#touched) {
      const bit = 1 << Math.min(7, 31 - Math.clz32(this.#counts[slot] as number));
      if (((this.#seen[slot] as number) & bit) !== 0) continue;
      this.#seen[slot] = (this.#seen[slot] as number) | bit;
      found = true;
    }
    return found;
  }

  /** How many places of each file were come by, of how many. */
  reached(): { file: string; reached: number; count: number }[] {
    return this.#files.map(({ file, first, count }) => {
      const points = Array.from({ length: count }, (_, at) => first + at);
      return { file, reached: points.filter((point) => this.#reached[point] === 1).length, count };
    });
  }
}

/** Children of a node that are wrapped: `{…}` around a statement, `(…)` around an expression. */
const STATEMENTS: Readonly<Record<string, readonly string[]>> = {
  IfStatement: ["consequent", "alternate"],
  ForStatement: ["body"],
  ForInStatement: ["body"],
  ForOfStatement: ["body"],
  WhileStatement: ["body"],
  DoWhileStatement: ["body"],
  FunctionDeclaration: ["body"],
  FunctionExpression: ["body"],
  CatchClause: ["body"],
};
const EXPRESSIONS: Readonly<Record<string, readonly string[]>> = {
  ConditionalExpression: ["consequent", "alternate"],
  LogicalExpression: ["right"],
  AssignmentPattern: ["right"],
};
const LONGEST_WORD = 64;

function numbered(source: string, first: number): { code: string; count: number; words: string[] } {
  const inserts: { at: number; text: string }[] = [];
  const words = new Set<string>();
  let count = 0;
  const call = () => `fuzzReached(${first + count++})`;
  // What opens is noted before a node's own children and what closes after them, so that, where they fall on one place, they nest.
  const visit = (node: Node) => {
    if (node.type === "Literal" && typeof node.value === "string" && node.value.length <= LONGEST_WORD)
      words.add(node.value);
    if (node.type === "SwitchCase") {
      const [head] = node.consequent as Node[];
      if (head !== undefined) inserts.push({ at: head.start, text: `${call()};` });
    }
    const statements = new Set(STATEMENTS[node.type]);
    const expressions = new Set(EXPRESSIONS[node.type]);
    if (node.type === "ArrowFunctionExpression") {
      const { type } = node.body as Node;
      (type === "BlockStatement" ? statements : expressions).add("body");
    }
    for (const [field, value] of Object.entries(node)) {
      for (const child of [value].flat().filter(isNode)) {
        const body = statements.has(field);
        const inside = body && child.type === "BlockStatement";
        if (inside) inserts.push({ at: child.start + 1, text: `${call()};` });
        else if (body) inserts.push({ at: child.start, text: `{${call()};` });
        else if (expressions.has(field)) inserts.push({ at: child.start, text: `(${call()},` });
        visit(child);
        if (body && !inside) inserts.push({ at: child.end, text: "}" });
        else if (expressions.has(field)) inserts.push({ at: child.end, text: ")" });
      }
    }
  };
  visit(parseAst(source) as unknown as Node);
  let code = "";
  let from = 0;
  for (const { at, text } of inserts.toSorted((a, b) => a.at - b.at)) {
    code += source.slice(from, at) + text;
    from = at;
  }
  return { code: code + source.slice(from), count, words: [...words] };
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}
