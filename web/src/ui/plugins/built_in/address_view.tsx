/** The address of a page of others, which a click opens: the app itself shows nobody else's pages. */

export function AddressView({ address }: { readonly address: string }) {
  if (!/^https?:/i.test(address)) {
    return <p class="empty">This is no address of a web page: {address || "(none)"}</p>;
  }
  return (
    <div class="window-page window-address">
      <p>
        Pages of other sites open in a tab of their own, where they can neither see nor change what
        is here.
      </p>
      <a href={address} target="_blank" rel="noopener noreferrer">
        {address}
      </a>
    </div>
  );
}
