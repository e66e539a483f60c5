import { headers } from 'next/headers';
import { errorCodes } from 'rekindle';
import { RecoverWallet } from './recover-wallet';

/** Rendered on the server for each request, with the package imported there and in the client's part. */
export default async function Page() {
  const host = (await headers()).get('host');
  return (
    <>
      <p>{`${host} knows ${Object.keys(errorCodes).length} errors.`}</p>
      <RecoverWallet />
    </>
  );
}
