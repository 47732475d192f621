// The test page of ws-server: a plain client of the protocol (docs/PROTOCOL.md) that shows every frame both ways.
// It connects when it is opened; `?connect=off` in its URL opens it disconnected.
//
// For tests. Values that are shown formatted are also there raw, in data-value.
//   #state[data-state=disconnected|connecting|connected|draining]
//   #connection-id  #server  #user  #heartbeat  #frame-limit
//   #url  #url-note[data-status]  #connect[data-does=connect|disconnect]  #auto-reconnect
//   #close-info[data-code][data-reconnect=true|false|none]  #close-code  #close-meaning  #close-advice  #reconnect-note
//   #echo-payload  #echo-send  #echo-result[data-status=waiting|ok|error|invalid|offline]
//     and so for broadcast-, connections-
//   #raw-text  #raw-send  #raw-size  #raw-result[data-status]  #raw-template  #raw-templates button[data-template]
//   #frames li[data-direction=in|out|local][data-name][data-id]
//     [data-kind=request|response|error|notification|heartbeat|socket|other]
//     Only frames that the filter shows are there. Up to 200 of them all are; of more, those in sight (page/rows.js).
//   #filter  #filter-direction  #filter-kind  #show-heartbeats  #auto-scroll  #pause  #clear
//   #shown[data-value]  #dropped[data-dropped]
//   #frames-in  #frames-out  #bytes-in  #bytes-out  #errors  #rtt  (each with data-value)  #lang  #theme
//
// How it is made: `Client` knows the protocol and no DOM; each `mount…` function owns one part of the page and listens
// to the client. A new panel is a <section> in #panels, a file in page/ with its mount function, a line in the list
// below, its words in page/words.js, and the file's line in the server's table of files.

import { mountActions } from './page/actions.js';
import { mountState, mountTheme } from './page/bar.js';
import { Client } from './page/client.js';
import { connectAtStart, mountConnection } from './page/connection.js';
import { mountCounters } from './page/counters.js';
import { mountFrames } from './page/frames.js';
import { mountRaw } from './page/raw.js';
import { language, mountLanguage, setLanguage } from './page/text.js';

const PARTS = [
  mountState, mountLanguage, mountTheme, mountConnection, mountActions, mountRaw, mountCounters, mountFrames,
];

const client = new Client();
for (const mount of PARTS) mount(client);
setLanguage(language);
connectAtStart(client);
