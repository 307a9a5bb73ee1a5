/** The remotes of one session: one for each object, given back when nothing here holds it any more. */
import { ProtocolError } from "./errors.ts";
import type { ObjectInfo } from "./object_info.ts";
import { MOST_OBJECTS } from "./own_objects.ts";
import { Handle, type Lease, type Link } from "./remote.ts";

/** So many pairs surely fit a header. */
const MOST_AT_ONCE = 10_000;

export class ReceivedObjects {
  readonly #link: Link;
  readonly #give: (objects: readonly (readonly [number, number])[]) => void;
  readonly #handles = new Map<number, WeakRef<Handle>>();
  readonly #finalizers = new FinalizationRegistry<Lease>((lease) => this.#end(lease));
  #ended = new Map<number, number>();
  #collecting: Handle[] = [];

  /** `give` tells the other side that these came so many times and are not needed now. */
  constructor(link: Link, give: (objects: readonly (readonly [number, number])[]) => void) {
    this.#link = link;
    this.#give = give;
  }

  get size(): number {
    return this.#handles.size;
  }

  receive(info: ObjectInfo): object {
    const known = this.#handles.get(info.object)?.deref();
    const handle = known ?? this.#add(info);
    handle.lease.count += 1;
    this.#collecting.push(handle);
    return handle.remote;
  }

  /** What `read` returns, and what it received meanwhile, once for each time. */
  during<T>(read: () => T): { readonly value: T; readonly handles: readonly Handle[] } {
    this.#collecting = [];
    try {
      const value = read();
      return { value, handles: this.#collecting };
    } catch (error) {
      // What was counted over there is counted here, also if something else in the message was wrong.
      for (const handle of this.#collecting) this.giveBack(handle);
      throw error;
    } finally {
      this.#collecting = [];
    }
  }

  /** It came once too often. */
  giveBack(handle: Handle): void {
    if (handle.isReleased) return;
    if (handle.lease.count === 1) this.release(handle);
    else {
      handle.lease.count -= 1;
      this.#later(handle.lease.object, 1);
    }
  }

  release(handle: Handle): void {
    if (handle.isReleased) return;
    handle.isReleased = true;
    this.#finalizers.unregister(handle);
    if (this.#handles.get(handle.lease.object)?.deref() === handle) {
      this.#handles.delete(handle.lease.object);
    }
    this.giveBackIfUnused(handle);
  }

  /** While a call on it is open, its owner must not forget it. */
  giveBackIfUnused(handle: Handle): void {
    const { lease } = handle;
    if (!handle.isReleased || handle.pins > 0 || lease.count === 0) return;
    this.#later(lease.object, lease.count);
    lease.count = 0;
  }

  /** The session is over: nothing needs to be given back. */
  clear(): void {
    for (const weak of this.#handles.values()) {
      const handle = weak.deref();
      if (handle) this.#finalizers.unregister(handle);
    }
    this.#handles.clear();
    this.#ended.clear();
  }

  #add(info: ObjectInfo): Handle {
    if (this.#handles.size >= MOST_OBJECTS) throw new ProtocolError("Too many objects were sent.");
    const handle = new Handle(this.#link, { object: info.object, count: 0 }, info);
    this.#handles.set(info.object, new WeakRef(handle));
    this.#finalizers.register(handle, handle.lease, handle);
    return handle;
  }

  #end(lease: Lease): void {
    // A new remote may have taken the place of one that was collected as garbage.
    const current = this.#handles.get(lease.object)?.deref();
    if (!current || current.lease === lease) this.#handles.delete(lease.object);
    this.#later(lease.object, lease.count);
  }

  /** Together with others that go at the same time: they often come in crowds. */
  #later(object: number, count: number): void {
    if (this.#ended.size === 0) queueMicrotask(() => this.#giveAll());
    this.#ended.set(object, (this.#ended.get(object) ?? 0) + count);
  }

  #giveAll(): void {
    const all = [...this.#ended];
    this.#ended = new Map();
    for (let i = 0; i < all.length; i += MOST_AT_ONCE) this.#give(all.slice(i, i + MOST_AT_ONCE));
  }
}
