import { createHash, randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { failureOf, unreachable, type Locker } from "./client.ts";
import { USER_AGENT } from "./version.ts";

/** What is heard of a socket. */
type Ears = { onOpen: () => void; onText: (text: string) => void };

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const PING_MS = 20_000;
const LARGEST = 1024 * 1024;
const LOST = 1006;
const OPCODE = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const;

/**
 * Opens a WebSocket with a token in a header and hears it out; answers the code that it was closed with (RFC 6455). Node 20 has no
 * client of its own, and those of browsers send no headers.
 */
export async function openSocket(path: string, locker: Locker, ears: Ears): Promise<number> {
  const url = new URL(path, locker.url);
  const key = randomBytes(16).toString("base64");
  const { request } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  return new Promise((resolve, reject) => {
    const asked = request(url.href, {
      headers: {
        authorization: `Bearer ${locker.token}`,
        "user-agent": USER_AGENT,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": key,
      },
    });
    asked.on("error", (fault) => reject(unreachable(url, { cause: fault })));
    asked.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      // It ends this way too where it breaks off.
      response.on("close", () => {
        reject(failureOf(response.statusCode ?? 500, Buffer.concat(chunks).toString(), locker));
      });
    });
    asked.on("upgrade", ({ headers }, socket, head) => {
      const accepted = createHash("sha1")
        .update(key + GUID)
        .digest("base64");
      if (headers["sec-websocket-accept"] !== accepted) {
        socket.destroy();
        return reject(unreachable(url, {}));
      }
      ears.onOpen();
      hear(socket, head, ears).then(resolve, reject);
    });
    asked.end();
  });
}

/** Reads frames until the end. A silent line is pinged, and given up when nothing comes back. */
async function hear(socket: Duplex, head: Buffer, { onText }: Ears): Promise<number> {
  let heard = true;
  const pulse = setInterval(() => {
    if (!heard) return void socket.destroy();
    heard = false;
    socket.write(frame(OPCODE.ping, Buffer.alloc(0)));
  }, PING_MS);
  socket.on("error", () => {});
  try {
    let bytes: Buffer = Buffer.alloc(0);
    let message: Buffer[] = [];
    if (head.length > 0) socket.unshift(head);
    for await (const chunk of socket) {
      heard = true;
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      for (let next = readFrame(bytes); next !== undefined; next = readFrame(bytes)) {
        bytes = bytes.subarray(next.size);
        const { opcode, payload, final } = next;
        if (opcode === OPCODE.ping) socket.write(frame(OPCODE.pong, payload));
        if (opcode === OPCODE.close) {
          socket.end(frame(OPCODE.close, payload.subarray(0, 2)));
          return payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
        }
        if (opcode !== OPCODE.text && opcode !== OPCODE.continuation) continue;
        message.push(payload);
        if (!final) continue;
        onText(Buffer.concat(message).toString("utf8"));
        message = [];
      }
      if (bytes.length > LARGEST) break;
    }
    return LOST;
  } catch {
    return LOST;
  } finally {
    clearInterval(pulse);
    socket.destroy();
  }
}

type Frame = { opcode: number; final: boolean; payload: Buffer; size: number };

/** The first frame, once it is whole (RFC 6455 §5.2). A server masks nothing. */
export function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const first = bytes.readUInt8(0);
  const short = bytes.readUInt8(1) & 0x7f;
  const at = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < at) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (bytes.length < at + length) return undefined;
  return {
    opcode: first & 0x0f,
    final: (first & 0x80) !== 0,
    payload: bytes.subarray(at, at + length),
    size: at + length,
  };
}

/** A short frame of ours, masked as a client's must be (§5.3). */
export function frame(opcode: number, payload: Buffer): Buffer {
  const mask = randomBytes(4);
  const body = payload.subarray(0, 125).map((byte, at) => byte ^ (mask[at % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | body.length]), mask, body]);
}
