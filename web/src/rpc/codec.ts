/** The values of one session, in both directions, and the objects that they refer to. */
import { describe } from "./exposed.ts";
import { atHome } from "./lazy_array.ts";
import { OwnObjects } from "./own_objects.ts";
import { ReceivedObjects } from "./received_objects.ts";
import { type Handle, handleOf, type Link } from "./remote.ts";
import type { Encoded } from "./session_events.ts";
import { ValueReader } from "./value_reader.ts";
import { ValueWriter } from "./value_writer.ts";
import type { RegisteredType } from "./values.ts";

export type CodecOptions = {
  readonly service: object | null;
  readonly types: readonly RegisteredType[];
  /** Tells the other side which of its objects are not needed here. */
  readonly release: (objects: readonly (readonly [object: number, count: number])[]) => void;
};

type EncodedMany = Omit<Encoded, "packed"> & {
  readonly packed: readonly Uint8Array[];
  /** The remotes that come home by it. */
  readonly homes: readonly Handle[];
};

const NOTHING = new Uint8Array(0);

export class Codec {
  readonly own: OwnObjects;
  readonly received: ReceivedObjects;
  readonly #link: Link;
  readonly #types: readonly RegisteredType[];
  readonly #reader: ValueReader;
  #isOver = false;

  constructor(link: Link, { service, types, release }: CodecOptions) {
    this.own = new OwnObjects(service);
    this.received = new ReceivedObjects(link, (objects) => {
      if (!this.#isOver) release(objects);
    });
    this.#link = link;
    this.#types = types;
    this.#reader = new ValueReader(
      {
        receive: (info) => this.received.receive(info),
        home: (object) => atHome(this.own.get(object)),
      },
      types,
    );
  }

  encode(value: unknown): Encoded {
    const { packed, buffers, undo } = this.encodeAll([value]);
    return { packed: packed[0] ?? NOTHING, buffers, undo };
  }

  /** The values of one message. If one cannot be sent, it is as if nothing had been counted. */
  encodeAll(values: readonly unknown[]): EncodedMany {
    const homes: Handle[] = [];
    const home = (object: object) => {
      const handle = this.#homeOf(object);
      if (handle) homes.push(handle);
      return handle?.lease.object ?? null;
    };
    const send = (object: object) => describe(this.own.send(object), object);
    const writer = new ValueWriter({ home, send }, this.#types);
    const undo = () => {
      if (this.#isOver) return;
      for (const object of writer.sent) this.own.release(object, 1);
    };
    try {
      const packed = values.map((value) => writer.pack(value));
      return { packed, buffers: writer.buffers, homes, undo };
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** The values of one message, and the remotes in them, once for each time they came. */
  decode(
    packed: readonly Uint8Array[],
    buffers: readonly ArrayBuffer[],
  ): { readonly value: unknown[]; readonly handles: readonly Handle[] } {
    return this.received.during(() => this.#reader.unpack(packed, buffers));
  }

  /** The session is over. */
  end(): void {
    this.#isOver = true;
    this.own.clear();
    this.received.clear();
  }

  #homeOf(object: object): Handle | null {
    const handle = handleOf(object);
    if (handle?.link !== this.#link) return null;
    handle.check();
    return handle;
  }
}
