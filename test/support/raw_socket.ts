import { connect } from "node:net";

/** Nothing should take this long; it ends a test that would otherwise wait for ever. */
const PATIENCE_MS = 25_000;

/**
 * Says exactly these bytes to a server, closes our side, and hears it out. For what no HTTP client would send.
 * The answers are as they came, all of them.
 */
export function speak(origin: string, said: string): Promise<string> {
  const { port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const heard: Buffer[] = [];
    const socket = connect({ host: "127.0.0.1", port: Number(port), allowHalfOpen: true });
    socket.setTimeout(PATIENCE_MS, () => {
      socket.destroy();
      reject(new Error(`no end after: ${said.slice(0, 60)}`));
    });
    socket.on("data", (chunk) => heard.push(chunk));
    // A reset is as good an end as any.
    socket.on("error", () => {});
    socket.on("end", () => socket.destroy());
    socket.on("close", () => resolve(Buffer.concat(heard).toString("latin1")));
    socket.end(Buffer.from(said, "latin1"));
  });
}

/** The statuses of all answers that were heard. */
export function statusesIn(heard: string): number[] {
  return [...heard.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status));
}
