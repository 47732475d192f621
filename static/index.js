// The test page of ws-server: a client of the protocol (docs/PROTOCOL.md) that shows every frame both ways.
// It connects when it is opened; `?connect=off` in its URL opens it disconnected.
//
// For tests. Values that are shown formatted are also there raw, in data-value.
//   #state[data-state=disconnected|connecting|connected|draining][data-acts=reconnect|move or empty]: what the page is
//     about to do by itself; #acts-in says when, #act-now does it now
//   #docs opens #docs-menu, a popover with links; #tabs button[data-tab=connection|channels|claude|requests|frames]
//     [aria-current=true|false], on narrow screens; #unread[data-value]
//   #connection-id  #server  #user  #expires  #heartbeat  #frame-limit
//   #url  #url-note[data-status]  #connect[data-does=connect|disconnect]  #auto-reconnect
//   #close-info[data-code][data-reconnect=true|false|none]  #close-code  #close-meaning  #close-advice  #reconnect-note
//   #token  #authenticate  #token-in-handshake  #token-keep  #token-result[data-status]
//     #token-state[data-status=expiring or empty][data-expires: ms since 1970, or empty]
//   #echo-payload  #echo-send  #echo-result[data-status=waiting|ok|error|invalid|offline or empty]
//     and so for broadcast-, connections-
//   #channel-name  #channel-mode (now|rewind|since)  #channel-rewind  #channel-since-epoch  #channel-since-offset
//     #channel-token  #channel-subscribe  #channel-unsubscribe  #channel-result[data-status]
//   #channel-list li[data-channel][data-offset][data-epoch][data-seen][data-jumps][data-renewed=true|false]
//     [data-state=live|catching-up|gap|waiting|refused]: waiting is without a connection or answer, gap stays until the
//     first publication behind what was there; jumps are offsets that did not follow, without a gap event; renewed:
//     this stream has taken the place of the one that was subscribed.
//     In a row: .channel-last with the data of the last publication, .channel-note, .channel-trouble, and
//     button[data-does=publish|history|presence|unsubscribe], of which the first three fill the panel of that name.
//   #publish-channel  #publish-data  #publish-kind[data-kind=json|text]  #publish-msg-id  #publish-tags  #publish-send
//     #publish-result[data-status][data-offset][data-ack][data-duplicate=true|false]
//   #presence-channel  #presence-limit  #presence-load  #presence-more (hidden: no more)  #presence-result[data-status]
//     #presence-counts[data-channel][data-connections][data-users][data-joined][data-left][data-stale=true|false]
//     [data-live=true|false]: the channel tells joins and leaves; #presence-how says how far the list can be trusted
//     #presence-list li[data-connection][data-user][data-joined=true|false]
//   #history-channel  #history-limit  #history-reverse  #history-load  #history-more (hidden: no more)
//     #history-result[data-status]  #history-list[data-channel][data-epoch][data-more] li[data-offset]
//   #drop-delay (s)  #drop-now  #recovery-list li[data-channel][data-count][data-expected][data-done=true|false]
//     [data-status=waiting|recovering|recovered|gap|renewed|plain|refused|lost], newest first, one for each new subscribe
//   #claude-channel  #claude-context  #claude-prompt  #claude-ask  #claude-result[data-status]
//     #claude-list li[data-run][data-channel][data-status=running|complete|cancelled|failed|refused|interrupted][data-gap]
//     with .run-prompt, .run-text, .run-state and .stop (hidden: it has ended), newest first
//   #raw-text  #raw-send  #raw-size  #raw-result[data-status]  #raw-template  #raw-templates button[data-template]
//     #saved-name  #saved-save  #saved-list li[data-saved] with two buttons: load, .remove
//   #frames li[data-direction=in|out|local][data-name][data-id]
//     [data-kind=request|response|error|notification|heartbeat|socket|other]
//     Only frames that the filter shows are there. Up to 200 of them all are; of more, those in sight (page/rows.js).
//     In an open one: .detail button[data-does=copy], of what was sent also javascript, python, curl
//     (where the server API has the same), websocat, edit.
//   #filter  #filter-direction  #filter-kind  #show-heartbeats  #auto-scroll  #pause  #export  #clear
//   #shown[data-value]  #dropped[data-dropped]  #newest[data-value] (hidden: the list follows)
//   #frames-in  #frames-out  #bytes-in  #bytes-out  #errors[data-alarm]  #rtt  (each with data-value)  #lang  #theme
//
// How it is made: the connection and the subscriptions are those of client/ws-client.js, as in any other page. `Client`
// (page/client.js) makes one for each time that somebody connects and passes its frames on, `Channels` reads from them
// what becomes of each subscription; neither knows the DOM. Each `mount…` function owns one part of the page and
// listens to them. A new panel is a <section> in one of the two columns, a file in page/ with its mount function, a
// line in the list below, its words in page/words.js, and the file's line in the server's table of files.

import { mountActions } from './page/actions.js';
import { mountState, mountTheme } from './page/bar.js';
import { mountChannelForm } from './page/channel-form.js';
import { mountChannelList } from './page/channel-list.js';
import { Channels } from './page/channels.js';
import { mountClaude } from './page/claude.js';
import { Client } from './page/client.js';
import { connectAtStart, mountConnection } from './page/connection.js';
import { mountCounters } from './page/counters.js';
import { keepDrafts } from './page/drafts.js';
import { mountFrames } from './page/frames.js';
import { mountHistory } from './page/history.js';
import { mountIdentity } from './page/identity.js';
import { mountPresence } from './page/presence.js';
import { mountPublish } from './page/publish.js';
import { mountRaw } from './page/raw.js';
import { mountRecovery } from './page/recovery.js';
import { mountSaved } from './page/saved.js';
import { mountTabs } from './page/tabs.js';
import { language, mountLanguage, setLanguage } from './page/text.js';

const PARTS = [
  mountTabs, mountState, mountLanguage, mountTheme, mountConnection, mountIdentity, mountActions, mountRaw,
  mountCounters, mountFrames, mountChannelForm, mountChannelList, mountPublish, mountPresence, mountHistory,
  mountRecovery, mountSaved, mountClaude,
];

const client = new Client();
const channels = new Channels(client);
for (const mount of PARTS) mount(client, channels);
setLanguage(language);
keepDrafts(channels);
connectAtStart(client);
