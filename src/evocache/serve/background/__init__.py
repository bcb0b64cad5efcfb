"""Jobs in the background: videos and pictures that are promised, and made when it is their turn.

In: jobs of the store. Out: results as files, and jobs that have ended.

- `request_text`: what is asked for as the text that a job keeps
- `new_records`: the same as the record of a job that is queued
- `results`: what was made as files: films, thumbnails, sheets, pictures
- `tombstones`: what is left of plain calls
- `runner`: begins jobs in their turn; `making`: has one made, and tells the store what became of it; `attempt`: one
  attempt at its pictures, by what is given it to answer with
- `waiting`: clients that wait for jobs, and their places at the door; `charges`: what was charged there
- `reader`: jobs as they are read; `background`: all of this together
- `threads`: work that is never left half done; `loops`: what goes on whatever fails

Imports jobs, control and requests; no web.
"""
