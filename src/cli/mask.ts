/** Shorter ones would blot out half of what a program says. */
const SHORTEST = 6;
const SHOWN = "[apilocker: masked]";

/**
 * Blots secrets out of what a program prints, as it prints it. What might be the beginning of a secret is held back until it is
 * one or is not; `flush` lets it go when the program has ended or is waiting for an answer.
 */
export class Mask {
  readonly #secrets: readonly Buffer[];
  #held: Buffer = Buffer.alloc(0);

  constructor(secrets: readonly string[]) {
    const spelled = secrets.filter((secret) => secret.length >= SHORTEST).flatMap(spellings);
    this.#secrets = [...new Set(spelled)].map((text) => Buffer.from(text)).sort((a, b) => b.length - a.length);
  }

  push(chunk: Buffer): Buffer {
    return this.#take(Buffer.concat([this.#held, chunk]), false);
  }

  flush(): Buffer {
    return this.#take(this.#held, true);
  }

  #take(bytes: Buffer, all: boolean): Buffer {
    const out: Buffer[] = [];
    let at = 0;
    for (;;) {
      const found = this.#next(bytes, at);
      if (found === undefined) break;
      out.push(bytes.subarray(at, found.at), Buffer.from(SHOWN));
      at = found.end;
    }
    const keep = all ? bytes.length : Math.max(at, this.#mayBegin(bytes, at));
    this.#held = Buffer.from(bytes.subarray(keep));
    out.push(bytes.subarray(at, keep));
    return Buffer.concat(out);
  }

  #next(bytes: Buffer, from: number): { at: number; end: number } | undefined {
    let first: { at: number; end: number } | undefined;
    for (const secret of this.#secrets) {
      const at = bytes.indexOf(secret, from);
      if (at >= 0 && (first === undefined || at < first.at)) first = { at, end: at + secret.length };
    }
    return first;
  }

  /** Where the end of the bytes might be the beginning of a secret. */
  #mayBegin(bytes: Buffer, from: number): number {
    const longest = this.#secrets[0]?.length ?? 1;
    for (let at = Math.max(from, bytes.length - longest + 1); at < bytes.length; at++) {
      const tail = bytes.subarray(at);
      if (this.#secrets.some((secret) => secret.subarray(0, tail.length).equals(tail))) return at;
    }
    return bytes.length;
  }
}

/** A secret as programs print it: as it is, in JSON, in a URL, in base64. */
function spellings(secret: string): string[] {
  const base64 = Buffer.from(secret).toString("base64").replace(/=+$/, "");
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    base64,
    Buffer.from(secret).toString("base64url"),
  ];
}
