// A verifying proxy as one writes it in Node: node:http on both sides, http-message-signatures in between.
//
// It looks keys up in a map, checks Content-Digest and the age of the signature, and does not notice repeated requests.
// usage: node proxy.js PORT BACKEND KEYS   (KEYS: a JSON object of keyid to public key in PEM)
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const { httpbis, createVerifier } = require('http-message-signatures');

const [port, backend, path] = process.argv.slice(2);
const ALGORITHM = 'ecdsa-p256-sha256';
const keys = new Map();
for (const [keyid, pem] of Object.entries(JSON.parse(fs.readFileSync(path, 'utf8')))) {
    const key = crypto.createPublicKey(pem);
    keys.set(keyid, { id: keyid, algs: [ALGORITHM], verify: createVerifier(key, ALGORITHM) });
}
const config = {
    keyLookup: async (parameters) => keys.get(parameters.keyid) ?? null,
    requiredFields: ['@method', '@target-uri'],
    requiredParams: ['created', 'keyid'],
    maxAge: 300,
    tolerance: 30,
};
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

async function handle(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    if (body.length > 0) {
        const digest = `sha-256=:${crypto.createHash('sha256').update(body).digest('base64')}:`;
        if (request.headers['content-digest'] !== digest) return refuse(response, 400);
    }
    const url = `https://${request.headers.host}${request.url}`;
    const message = { method: request.method, url, headers: request.headers };
    if (await httpbis.verifyMessage(config, message) !== true) return refuse(response, 401);
    const { connection, 'keep-alive': keepAlive, 'transfer-encoding': encoding, ...headers } = request.headers;
    const options = { agent, host: '127.0.0.1', port: backend, method: request.method, path: request.url, headers };
    const onward = http.request(options, (answer) => {
        const { connection, 'keep-alive': keepAlive, ...kept } = answer.headers;
        response.writeHead(answer.statusCode, kept);
        answer.pipe(response);
    });
    onward.on('error', () => refuse(response, 502));
    onward.end(body);
}

function refuse(response, status) {
    response.writeHead(status, { 'content-length': 0 });
    response.end();
}

http.createServer((request, response) => {
    handle(request, response).catch(() => refuse(response, 401));
}).listen(Number(port), '127.0.0.1');
