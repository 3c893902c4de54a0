/* The docstrings of the tree's methods; a test compares them with those of _pure.py. */
#ifndef KSM_RMAP_DOCSTRINGS_H
#define KSM_RMAP_DOCSTRINGS_H

#define DOC_INSERT \
	"insert($self, start, last, value)\n--\n\n" \
	"Add ``[start, last]``, both inclusive, after all equal starts; return its Interval.\n" \
	"\n" \
	"The Interval is the handle for :meth:`remove`. Equal intervals are kept side by side.\n" \
	"``ValueError`` unless ``0 <= start <= last <= 2**64 - 1``; ``TypeError`` if a bound is\n" \
	"not an integer. O(log n)."

#define DOC_REMOVE \
	"remove($self, interval, /)\n--\n\n" \
	"Remove exactly this Interval; ``ValueError`` if it is not in this tree. O(log n)."

#define DOC_DISCARD \
	"discard($self, interval, /)\n--\n\n" \
	"Remove exactly this Interval if it is in this tree; tell whether it was. O(log n)."

#define DOC_REPLACE \
	"replace($self, interval, value)\n--\n\n" \
	"Return a new Interval with another value in the place of this one, order included.\n" \
	"\n" \
	"The old Interval is no longer in the tree. ``ValueError`` if it was not. O(log n)."

#define DOC_UPDATE \
	"update($self, intervals, /)\n--\n\n" \
	"Add all ``(start, last, value)`` triples or Intervals (as copies), or none on an error.\n" \
	"\n" \
	"O(m log n) for m of them that are few beside n, else O(n + m): the pages are rebuilt."

#define DOC_CLEAR \
	"clear($self)\n--\n\n" \
	"Remove all intervals. O(n)."

#define DOC_OVERLAP \
	"overlap($self, start, last)\n--\n\n" \
	"List the intervals that share a point with ``[start, last]``, in order.\n" \
	"\n" \
	"Order is (start, insertion). Both bounds are inclusive; errors as for :meth:`insert`.\n" \
	"Visits O(log n + k log(n/k)) pages for k results, O(log n + k/page) if they are neighbours."

#define DOC_AT \
	"at($self, point, /)\n--\n\n" \
	"List the intervals that hold the point, in order; ``overlap(point, point)``."

#define DOC_ITER_OVERLAP \
	"iter_overlap($self, start, last)\n--\n\n" \
	"Yield lazily what :meth:`overlap` lists; each step O(log n).\n" \
	"\n" \
	"``RuntimeError`` at the next step if the tree was changed meanwhile."

#define DOC_FIRST_OVERLAP \
	"first_overlap($self, start, last)\n--\n\n" \
	"Return the first Interval that :meth:`overlap` lists, or None. O(log n)."

#define DOC_ANY_OVERLAP \
	"any_overlap($self, start, last)\n--\n\n" \
	"Tell whether any interval shares a point with ``[start, last]``. O(log n)."

#define DOC_COUNT_OVERLAP \
	"count_overlap($self, start, last)\n--\n\n" \
	"Return how many intervals :meth:`overlap` lists; visits as many pages."

#define DOC_NEAREST_BEFORE \
	"nearest_before($self, point, /)\n--\n\n" \
	"Return the Interval that ends last before the point (exclusive), or None.\n" \
	"\n" \
	"Of several, the last in order. O(log n + c log(n/c)), c the intervals that hold the point."

#define DOC_NEAREST_AFTER \
	"nearest_after($self, point, /)\n--\n\n" \
	"Return the first Interval, in order, that starts after the point (exclusive), or None.\n" \
	"\n" \
	"O(log n)."

#define DOC_COUNT_MANY \
	"count_many($self, starts, lasts)\n--\n\n" \
	"Count for many queries at once: ``array('q')`` of ``count_overlap(starts[i], lasts[i])``.\n" \
	"\n" \
	"Takes any two equally long buffers of 64-bit integers, numpy arrays without a copy.\n" \
	"O(n + m) for m queries, whatever the number of hits; errors as for ``from_arrays``."

#define DOC_OVERLAP_MANY \
	"overlap_many($self, starts, lasts)\n--\n\n" \
	"Return all pairs (query, hit) of many queries as two equal-length ``array('q')``.\n" \
	"\n" \
	"The first holds indexes into the queries, ascending; the second positions in the order of\n" \
	"the tree, so ``list(tree)[position]`` is the hit. Arguments as for :meth:`count_many`.\n" \
	"O(n + m) and the cost of :meth:`overlap` for each query."

#define DOC_TO_ARRAYS \
	"to_arrays($self)\n--\n\n" \
	"Return ``(starts, lasts, values)`` in order: two ``array('Q')`` and a list.\n" \
	"\n" \
	"Bounds are inclusive; the columns can be given to ``from_arrays``. O(n)."

#define DOC_CHECK \
	"check($self)\n--\n\n" \
	"Verify every invariant; ``AssertionError`` names the first that is broken. O(n)."

#endif
