import { describe, expect, it, vi } from "vitest";
import { Jobs, type JobName } from "../../src/vault/jobs.ts";
import { inside, newVault, sql, travel } from "../support/vault.ts";

type Handlers = Parameters<Jobs["run"]>[0];

/** A table of jobs of its own, and handlers that write down when they ran. */
async function withJobs(
  work: (
    jobs: Jobs,
    tools: { again: () => Jobs; ran: JobName[]; handlers: Handlers; alarm: () => Promise<number | null> },
  ) => Promise<void>,
): Promise<void> {
  const vault = await newVault();
  await sql(vault, "DELETE FROM job");
  await inside(vault, async (_vault, { storage }) => {
    await storage.deleteAlarm();
    const ran: JobName[] = [];
    const note = (name: JobName) => () => void ran.push(name);
    const handlers = new Proxy({} as Handlers, { get: (given, name: JobName) => given[name] ?? note(name) });
    const again = () => {
      const jobs = new Jobs(storage);
      jobs.load();
      return jobs;
    };
    await work(again(), { again, ran, handlers, alarm: () => storage.getAlarm() });
    await storage.deleteAlarm();
  });
}

const MINUTE_MS = 60_000;

describe("the alarm", () => {
  it("stands at the job that is due first, whatever the order of planning", () =>
    withJobs(async (jobs, { alarm }) => {
      const now = Date.now();
      jobs.plan("release_blobs", now + 5 * MINUTE_MS);
      expect(await alarm()).toBe(now + 5 * MINUTE_MS);
      jobs.plan("ship", now + 2 * MINUTE_MS);
      jobs.plan("interrupt", now + 3 * MINUTE_MS);
      expect(await alarm()).toBe(now + 2 * MINUTE_MS);
    }));

  it("is not moved back by a later plan for the same job", () =>
    withJobs(async (jobs, { alarm }) => {
      const now = Date.now();
      jobs.plan("ship", now + MINUTE_MS);
      jobs.plan("ship", now + 2 * MINUTE_MS);
      expect(await alarm()).toBe(now + MINUTE_MS);
    }));

  it("moves on to what is due next once a job has run", () =>
    withJobs(async (jobs, { alarm, handlers, ran }) => {
      const now = Date.now();
      jobs.plan("ship", now + MINUTE_MS);
      jobs.plan("release_blobs", now + 5 * MINUTE_MS);
      travel(MINUTE_MS);
      await jobs.run(handlers);
      expect(ran).toEqual(["ship"]);
      expect(await alarm()).toBe(now + 5 * MINUTE_MS);
    }));

  it("that has more to do than one invocation may ask for goes on in another, at once", () =>
    withJobs(async (jobs, { alarm, handlers, ran }) => {
      for (const name of ["ship", "retain"] as const)
        handlers[name] = (now) => {
          ran.push(name);
          jobs.plan(name, now);
        };
      jobs.plan("ship", Date.now());
      jobs.plan("retain", Date.now());
      const count = (name: JobName) => ran.filter((one) => one === name).length;
      for (const times of [1, 2]) {
        await jobs.run(handlers);
        expect([count("ship"), count("retain")]).toEqual([20 * times, times]);
        expect(await alarm()).toBeLessThanOrEqual(Date.now());
      }
    }));

  it("that comes too early is set again, and runs nothing", () =>
    withJobs(async (jobs, { alarm, handlers, ran }) => {
      const due = Date.now() + MINUTE_MS;
      jobs.plan("ship", due);
      await jobs.run(handlers);
      expect(ran).toEqual([]);
      expect(await alarm()).toBe(due);
    }));
});

describe("a job", () => {
  it("that was planned before a sleep runs after it", () =>
    withJobs(async (jobs, { again, handlers, ran }) => {
      jobs.plan("release_blobs", Date.now() + MINUTE_MS);
      travel(MINUTE_MS);
      await again().run(handlers);
      expect(ran).toEqual(["release_blobs"]);
      await again().run(handlers);
      expect(ran).toHaveLength(1);
    }));

  it("that plans itself while it runs runs again, at once where it says so", () =>
    withJobs(async (jobs, { again, handlers, ran }) => {
      let left = 3;
      handlers.ship = (now) => {
        ran.push("ship");
        if (--left > 0) jobs.plan("ship", now);
        else jobs.plan("ship", now + MINUTE_MS);
      };
      jobs.plan("ship", Date.now());
      await jobs.run(handlers);
      expect(ran).toEqual(["ship", "ship", "ship"]);
      travel(MINUTE_MS);
      left = 1;
      await again().run({ ...handlers, ship: () => void ran.push("ship") });
      expect(ran).toHaveLength(4);
    }));

  it("that crashed half-way runs again", () =>
    withJobs(async (jobs, { again, handlers, ran }) => {
      jobs.plan("ship", Date.now());
      handlers.ship = () => new Promise(() => {});
      void jobs.run(handlers);
      await again().run({ ...handlers, ship: () => void ran.push("ship") });
      expect(ran).toEqual(["ship"]);
    }));

  it("that hangs holds up no other", () =>
    withJobs(async (jobs, { handlers, ran }) => {
      const now = Date.now();
      jobs.plan("ship", now);
      jobs.plan("interrupt", now);
      const { promise, resolve } = Promise.withResolvers<void>();
      handlers.ship = () => promise;
      const running = jobs.run(handlers);
      expect(ran).toEqual(["interrupt"]);
      resolve();
      await running;
    }));
});

describe("a job that fails", () => {
  it("backs off alone, twice as long each time and five minutes at most, and is well again after one success", () =>
    withJobs(async (jobs, { handlers, ran, alarm, again }) => {
      vi.spyOn(console, "error").mockReturnValue();
      let broken = true;
      handlers.ship = () => {
        if (broken) throw new Error("D1 is down");
        ran.push("ship");
      };
      jobs.plan("ship", Date.now());
      const waits: number[] = [];
      for (let i = 0; i < 10; i++) {
        jobs.plan("interrupt", Date.now());
        await jobs.run(handlers);
        // However urgent the next plan is, also after a sleep.
        for (const each of [jobs, again()]) each.plan("ship", Date.now());
        const wait = ((await alarm()) as number) - Date.now();
        waits.push(wait / 1_000);
        travel(wait);
      }
      expect(waits.map(Math.round)).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
      expect(ran).toEqual(Array.from({ length: 10 }, () => "interrupt"));
      broken = false;
      await jobs.run(handlers);
      expect(ran.at(-1)).toBe("ship");
      broken = true;
      const now = Date.now();
      jobs.plan("ship", now);
      expect(await alarm()).toBe(now);
      await jobs.run(handlers);
      expect(Math.round((((await alarm()) as number) - now) / 1_000)).toBe(2);
    }));

  it("of a kind that nobody knows any more disturbs nobody", () =>
    withJobs(async (jobs, { handlers, ran }) => {
      vi.spyOn(console, "error").mockReturnValue();
      jobs.plan("of_a_newer_release" as JobName, Date.now());
      jobs.plan("ship", Date.now());
      await jobs.run({ ship: () => void ran.push("ship") } as unknown as Handlers);
      expect(ran).toEqual(["ship"]);
      void handlers;
    }));
});
