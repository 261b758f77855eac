// Watches a mailbox with ImapFlow; prints the seconds since 1970 at which the server told of a
// message, one line each, and `ready` when it is in IDLE.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const [folder, port, user, pass, ca] = process.argv.slice(2);
const { ImapFlow } = createRequire(`${folder}/`)('imapflow');
const client = new ImapFlow({
    host: 'localhost', port: Number(port), secure: true,
    auth: { user, pass }, logger: false, tls: { ca: readFileSync(ca) },
});
const now = () => (performance.timeOrigin + performance.now()) / 1000;
client.on('exists', () => console.log(now().toFixed(6)));
await client.connect();
await client.mailboxOpen('INBOX', { readOnly: true });
console.log('ready');
for (;;) await client.idle();
