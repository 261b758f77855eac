// Downloads a mailbox with ImapFlow, as plainly as it can be done; prints messages and seconds.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const [folder, port, user, pass, ca] = process.argv.slice(2);
const { ImapFlow } = createRequire(`${folder}/`)('imapflow');
const client = new ImapFlow({
    host: 'localhost', port: Number(port), secure: true,
    auth: { user, pass }, logger: false, tls: { ca: readFileSync(ca) },
});
await client.connect();
const begin = process.hrtime.bigint();
await client.mailboxOpen('INBOX', { readOnly: true });
let count = 0;
for await (const message of client.fetch('1:*', { uid: true, flags: true, source: true })) {
    if (message.source.length > 0) count += 1;
}
const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
console.log(`${count} ${seconds}`);
await client.logout();
