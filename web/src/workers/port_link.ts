/** A link that begins in a window and goes on over a port, where the other side takes one. */
import { type Link, type Message, portLink } from "../imjoy/messages.ts";

/**
 * `port` is for whoever says hello first. What comes over the other end counts as what the window says: our own
 * frames use it, so that a worker in them is spoken with directly. Pages that know nothing of it go on by window.
 */
export function relayed(first: Link): { readonly link: Link; readonly port: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  const second = portLink(port1);
  let current = first;
  const link: Link = {
    send: (message, given) => current.send(message, given),
    listen: (listener: (message: Message) => void) => {
      first.listen((message) => {
        // When it speaks over the port, nothing that a script in the window says is from the plugin.
        if (current === first) listener(message);
      });
      second.listen((message) => {
        current = second;
        listener(message);
      });
    },
    close: () => {
      first.close();
      second.close();
    },
  };
  return { link, port: port2 };
}
