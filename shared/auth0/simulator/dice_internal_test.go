package simulator

import "testing"

func TestNoIDBeginsLikeAToken(t *testing.T) {
	for before, want := range map[string]string{"slc_x": "Slc_x", "slc_": "Slc_", "slcx_": "slcx_", "xslc_": "xslc_", "slc": "slc"} {
		if got := string(unlikeToken([]byte("slc_"+before), 4)); got != "slc_"+want {
			t.Errorf("%q becomes %q, want %q", before, got[4:], want)
		}
	}
}
