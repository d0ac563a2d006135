import { createServer } from 'node:http';

/** The minimum of an HTTP server in Node: the reference for all other figures. */
const BODY = JSON.stringify({ hello: 'world' });

createServer((_request, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': BODY.length });
  response.end(BODY);
}).listen(Number(process.argv[2]), '127.0.0.1');
