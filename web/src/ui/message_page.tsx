/** A page that says, instead of the app, why there is none. */
import { LinkExpired } from "./server.ts";

export function MessagePage({ error }: { readonly error: unknown }) {
  const expired = error instanceof LinkExpired;
  return (
    <main class="message-page">
      <div class="message-card">
        <h1>{expired ? "This link has expired" : "Opsin could not start"}</h1>
        {expired ? (
          <p>
            Open the address that <code>opsin view</code> printed when it was started.
          </p>
        ) : (
          <>
            <p>{error instanceof Error ? error.message : String(error)}</p>
            <button type="button" class="button" onClick={() => location.reload()}>
              Try again
            </button>
          </>
        )}
      </div>
    </main>
  );
}
