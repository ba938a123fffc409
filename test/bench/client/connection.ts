import { connect, type Socket } from "node:net";
import { ResponseReader, type OnBody } from "./response_reader.ts";

type Exchange = { reader: ResponseReader; resolve: (status: number) => void; reject: (fault: Error) => void };

const SILENCE_MS = 20_000;

/**
 * A keep-alive connection that carries one exchange at a time. Bytes are made beforehand and headers are hardly read: a
 * load generator that works little leaves the machine to what it measures.
 */
export class Connection {
  readonly #socket: Socket;
  #exchange: Exchange | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error(`nothing came for ${SILENCE_MS / 1000} s`)));
    socket.on("data", (piece: Buffer) => this.#read(piece));
    socket.on("error", (fault) => this.#fail(fault));
    socket.on("close", () => this.#fail(new Error("the connection was closed before the answer was whole")));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }

  /** Sends a request; resolves with the status once the answer is whole, rejects if the connection ends before. */
  exchange(request: Buffer, onBody?: OnBody): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#exchange = { reader: new ResponseReader(onBody), resolve, reject };
      this.#socket.write(request);
    });
  }

  /** Stops reading for a while, as a slow client does. */
  stall(ms: number): void {
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), ms);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(piece: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    try {
      if (!exchange.reader.feed(piece)) return;
    } catch (fault) {
      return this.#fail(fault as Error);
    }
    this.#exchange = undefined;
    exchange.resolve(exchange.reader.status);
  }

  #fail(fault: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.reject(fault);
  }
}
