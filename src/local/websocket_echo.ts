import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const [CLOSE, PING, PONG] = [8, 9, 10];

/** Sends every WebSocket message back, frame by frame (RFC 6455 §4.2.2, §5.2): enough for an upstream to test against. */
export function echoWebSocket(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
  const protocol = request.headers["sec-websocket-protocol"]?.split(",")[0]?.trim();
  socket.write(
    [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept}`,
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
      "\r\n",
    ].join("\r\n"),
  );
  let unread = Buffer.alloc(0);
  // Whoever is cut off is gone; there is nobody to tell.
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    for (let frame = readFrame(unread); frame !== undefined; frame = readFrame(unread)) {
      unread = unread.subarray(frame.length);
      const opcode = frame.first & 0x0f;
      if (opcode !== PONG) socket.write(frameOf(opcode === PING ? 0x80 | PONG : frame.first, frame.payload));
      if (opcode === CLOSE) socket.end();
    }
  });
}

type Frame = { first: number; payload: Buffer; length: number };

/** The first whole frame, unmasked; nothing while part of it is still on its way. */
function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1) & 0x7f;
  const sizeBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
  const start = 2 + sizeBytes + 4;
  if (bytes.length < start) return undefined;
  const size = sizeBytes === 8 ? Number(bytes.readBigUInt64BE(2)) : sizeBytes === 2 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < start + size) return undefined;
  const mask = bytes.subarray(start - 4, start);
  const payload = Buffer.from(bytes.subarray(start, start + size));
  for (let i = 0; i < size; i++) payload[i] = payload.readUInt8(i) ^ mask.readUInt8(i % 4);
  return { first: bytes.readUInt8(0), payload, length: start + size };
}

/** A server's frames are not masked (RFC 6455 §5.1). */
function frameOf(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 0x1_0000 ? 4 : 10);
  head.writeUInt8(first, 0);
  head.writeUInt8(length < 126 ? length : length < 0x1_0000 ? 126 : 127, 1);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}
