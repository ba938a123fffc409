import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** What processes have used since they began; `peak_mb` since then or since `forgetPeak`. */
export type Usage = { cpu_s: number; peak_mb: number };

// USER_HZ: /proc tells times in hundredths of a second on every Linux.
const TICKS_PER_S = 100;
const FORGET_PEAK = "5";

/** The processes of one target: what its host has started, the host itself not counted. Only Linux tells. */
export class Processes {
  readonly #pids: readonly number[];

  private constructor(pids: readonly number[]) {
    this.#pids = pids;
  }

  /** `host` 0 is nobody. */
  static below(host: number): Processes | undefined {
    if (process.platform !== "linux" || host === 0) return undefined;
    const parents = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((name) => ({ pid: Number(name), parent: Number(statOf(Number(name))[1]) }));
    const found = [host];
    for (const pid of found) found.push(...parents.filter(({ parent }) => parent === pid).map((child) => child.pid));
    return new Processes(found.slice(1));
  }

  usage(): Usage {
    const usage = { cpu_s: 0, peak_mb: 0 };
    for (const pid of this.#pids) {
      const stat = statOf(pid);
      usage.cpu_s += (Number(stat[11]) + Number(stat[12])) / TICKS_PER_S;
      usage.peak_mb += Number(/^VmHWM:\s+(\d+) kB/m.exec(read(pid, "status"))?.[1] ?? 0) / 1024;
    }
    return usage;
  }

  forgetPeak(): void {
    for (const pid of this.#pids) writeFileSync(`/proc/${pid}/clear_refs`, FORGET_PEAK);
  }
}

/** The fields of /proc/<pid>/stat after the name, which may itself hold spaces and brackets: state, parent, … */
function statOf(pid: number): string[] {
  const text = read(pid, "stat");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** A process may end while we look. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
