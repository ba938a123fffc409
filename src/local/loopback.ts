import { createServer, type RequestListener, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { connect, createServer as createSocket, type AddressInfo } from "node:net";

// Below the ranges from which systems pick the local port of an outgoing connection.
const [LOWEST, HIGHEST] = [20_000, 31_999];

const handedOut = new Set<number>();
let hosts: Promise<string[]> | undefined;

/** `localhost` may mean either of these, so whatever listens on it listens on all that this machine has. */
export function loopbackHosts(): Promise<string[]> {
  hosts ??= canListen("::1", 0).then((has_ipv6) => (has_ipv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]));
  return hosts;
}

/** The wanted port if nobody has it, else a free one. 0 wants any. */
export async function choosePort(wanted: number): Promise<number> {
  if (wanted !== 0 && (await isFree(wanted))) return wanted;
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`No free port was found between ${LOWEST} and ${HIGHEST}.`);
}

/** Serves on every loopback address of this machine, and on no other address. */
export async function listenOnLoopback(
  port: number,
  listener: RequestListener,
  upgrade?: (request: Parameters<RequestListener>[0], socket: Duplex) => void,
): Promise<{ origin: string; stop: () => Promise<void> }> {
  const servers: Server[] = [];
  const stop = async () => {
    await Promise.all(servers.map(close));
  };
  try {
    for (const host of await loopbackHosts()) {
      const server = createServer(listener);
      // The runtime keeps connections and takes them up again: one that is closed here just then would be a fault of ours there.
      server.keepAliveTimeout = 0;
      servers.push(server);
      if (upgrade !== undefined) server.on("upgrade", upgrade);
      await new Promise<void>((done, fail) => server.once("error", fail).listen({ host, port }, done));
    }
  } catch (fault) {
    await stop();
    throw fault;
  }
  return { origin: `http://localhost:${port}`, stop };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((done) => void server.close(() => done()));
}

async function isFree(port: number): Promise<boolean> {
  for (const host of await loopbackHosts()) {
    // Some systems let one bind an address beside somebody who listens on all of them, so ask as well.
    if ((await answers(host, port)) || !(await canListen(host, port))) return false;
  }
  return true;
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createSocket();
    socket.once("error", () => done(false));
    socket.listen({ host, port, exclusive: true }, () => {
      const { address } = socket.address() as AddressInfo;
      socket.close(() => done(address === host));
    });
  });
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: 500 });
    const finish = (answered: boolean) => {
      socket.destroy();
      done(answered);
    };
    socket
      .once("connect", () => finish(true))
      .once("error", () => finish(false))
      .once("timeout", () => finish(false));
  });
}
