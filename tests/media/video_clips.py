"""Small clips of ffmpeg's test pattern, made on the spot: one of each kind that is treacherous to sample."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from ffmpeg_oracle import program

PATTERN = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=30:d=3")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
MPEG2 = ("-c:v", "mpeg2video", "-g", "15", "-bf", "2")
VP9 = ("-c:v", "libvpx-vp9", "-g", "20", "-b:v", "200k", "-cpu-used", "8")
SVT = ("-c:v", "libsvtav1", "-preset", "12", "-g", "20")
CLOSED = (*X264, "-g", "20", "-bf", "2")
OPEN = (*X264, "-g", "20", "-bf", "3", "-x264-params", "open-gop=1:scenecut=0")
REFRESH = (*X264, "-x264-params", "intra-refresh=1:keyint=30")
X265_OPEN = (*X265, "-x265-params", "log-level=none:open-gop=1:keyint=20:min-keyint=20:bframes=3")
AOM = ("-c:v", "libaom-av1", "-cpu-used", "8", "-g", "20", "-b:v", "200k", "-row-mt", "0")
XVID = ("-c:v", "libxvid", "-g", "20", "-bf", "2")
# A rate that changes twice; every frame at a time of its own.
VARIED = "settb=1/90000,setpts='(if(lt(N,30),N,if(lt(N,60),30+(N-30)*3,120+(N-60)*0.7)))*3000'"

RECIPES: dict[str, tuple[str, ...]] = {
    "h264_closed.mp4": CLOSED,
    "h264_open.mp4": OPEN,
    "h264_open.mkv": OPEN,
    "h264_open.ts": OPEN,
    "h264_refresh.mp4": REFRESH,
    "h264_refresh.mkv": REFRESH,
    "h264_long_group.mp4": (*X264, "-g", "250", "-bf", "3"),
    "h264_all_intra.mp4": (*X264, "-g", "1"),
    "h264_fragmented.mp4": (*CLOSED, "-movflags", "frag_keyframe+empty_moov"),
    "h264_interlaced.mp4": (*X264, "-g", "20", "-x264-params", "tff=1"),
    "h264_interlaced.ts": (*X264, "-g", "20", "-x264-params", "tff=1"),
    "h264_10bit.mp4": ("-c:v", "libx264", "-g", "20", "-pix_fmt", "yuv420p10le"),
    "h264.avi": CLOSED,
    "h264.flv": CLOSED,
    "h264.mpg": (*CLOSED, "-f", "vob"),
    "h264.nut": CLOSED,
    "bare.h264": CLOSED,
    "ntsc.mp4": (*CLOSED, "-r", "30000/1001"),
    "half.mp4": (*X264, "-r", "0.5", "-t", "8"),
    "varied_rate.mp4": (*CLOSED, "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/90000"),
    "varied_rate.mkv": (*CLOSED, "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/90000"),
    "late_start.mp4": (*CLOSED, "-output_ts_offset", "5"),
    "late_start.mkv": (*CLOSED, "-output_ts_offset", "5"),
    "late_start.ts": (*CLOSED, "-output_ts_offset", "5"),
    "hevc_closed.mp4": (*X265, "-x265-params", "log-level=none:open-gop=0:keyint=20:min-keyint=20"),
    "hevc_open.mp4": X265_OPEN,
    "hevc_open.mkv": X265_OPEN,
    "hevc_open.ts": X265_OPEN,
    "hevc_layers.mp4": (*X265, "-x265-params", "log-level=none:temporal-layers=3:keyint=40:bframes=4"),
    "vp8.webm": ("-c:v", "libvpx", "-g", "20", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "16"),
    "vp9.webm": (*VP9, "-auto-alt-ref", "1", "-lag-in-frames", "16"),
    "vp9.mp4": VP9,
    "vp9.ivf": VP9,
    "av1.mp4": SVT,
    "av1.webm": (*SVT, "-svtav1-params", "enable-overlays=1"),
    "mpeg1.mpg": ("-c:v", "mpeg1video", "-g", "15", "-bf", "2"),
    "mpeg2.mpg": MPEG2,
    "mpeg2.ts": MPEG2,
    "mpeg2.mkv": MPEG2,
    "mpeg2.mov": MPEG2,
    "mpeg2.mxf": MPEG2,
    "mpeg2_interlaced.ts": (*MPEG2, "-flags", "+ildct+ilme"),
    "mpeg4.mp4": ("-c:v", "mpeg4", "-g", "20", "-bf", "2"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-g", "20", "-bf", "2"),
    "msmpeg4.avi": ("-c:v", "msmpeg4", "-g", "20"),
    "mjpeg.avi": ("-c:v", "mjpeg"),
    "mjpeg.mov": ("-c:v", "mjpeg"),
    "prores.mov": ("-c:v", "prores_ks"),
    "dnxhd.mov": ("-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p", "-s", "256x128"),
    "ffv1.mkv": ("-c:v", "ffv1", "-g", "5"),
    "gbrp.mkv": ("-c:v", "ffv1", "-pix_fmt", "gbrp"),
    "gray.mkv": ("-c:v", "ffv1", "-pix_fmt", "gray"),
    "alpha.mov": ("-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", "-t", "1"),
    "raw.avi": ("-c:v", "rawvideo", "-t", "1"),
    "qtrle.mov": ("-c:v", "qtrle", "-g", "20"),
    "png.mov": ("-c:v", "png", "-t", "1"),
    "wmv2.wmv": ("-c:v", "wmv2", "-g", "20"),
    "flv1.flv": ("-c:v", "flv", "-g", "20"),
    "theora.ogv": ("-c:v", "libtheora", "-g", "20"),
    "h263.3gp": ("-c:v", "h263", "-s", "176x144", "-g", "20"),
    "odd.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-vf", "scale=161:121"),
    "cropped.mp4": (*CLOSED, "-vf", "scale=162:122"),
    "one_frame.mp4": (*X264, "-frames:v", "1"),
    "one_frame.mkv": (*X264, "-frames:v", "1"),
    "one_frame.ts": (*X264, "-frames:v", "1"),
    "bt709.mp4": (*CLOSED, "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709"),
    "full_range.mp4": (
        *(*CLOSED, "-vf", "scale=out_color_matrix=bt709:out_range=pc"),
        *("-colorspace", "bt709", "-color_range", "pc"),
    ),
}

RARE: dict[str, tuple[str, ...]] = {
    "av1.mkv": SVT,
    "av1_aom.mp4": AOM,
    "av1_aom.webm": (*AOM, "-lag-in-frames", "19"),
    "av1_10bit.mp4": (*SVT, "-pix_fmt", "yuv420p10le"),
    "av1.ivf": SVT,
    "av1.obu": SVT,
    "vp9_10bit.webm": (*VP9, "-pix_fmt", "yuv420p10le", "-profile:v", "2"),
    "vp9_444.webm": (*VP9, "-pix_fmt", "yuv444p"),
    "vp9.mkv": VP9,
    "vp8.mkv": ("-c:v", "libvpx", "-g", "20", "-b:v", "200k"),
    "hevc_10bit.mp4": (
        *X265[:-2],
        "-pix_fmt",
        "yuv420p10le",
        "-x265-params",
        "log-level=none:open-gop=1:keyint=20:min-keyint=20:bframes=3",
    ),
    "hevc_12bit_422.mkv": (*X265[:-2], "-pix_fmt", "yuv422p12le", "-x265-params", "log-level=none:keyint=20"),
    "hevc_hvc1.mov": (*X265_OPEN, "-tag:v", "hvc1"),
    "bare.hevc": X265_OPEN,
    "hevc.mpg": (*X265_OPEN, "-f", "vob"),
    "hevc_refresh.mp4": (*X265, "-x265-params", "log-level=none:intra-refresh=1:keyint=30"),
    "hevc_pyramid.mkv": (
        *X265,
        "-x265-params",
        "log-level=none:keyint=50:bframes=8:b-pyramid=1:open-gop=1:rc-lookahead=20",
    ),
    "hevc_long_group.mp4": (*X265, "-x265-params", "log-level=none:keyint=250:bframes=4"),
    "h264_422_10.mov": ("-c:v", "libx264", "-pix_fmt", "yuv422p10le", "-g", "20"),
    "h264_pyramid.mp4": (*X264, "-g", "40", "-bf", "8", "-x264-params", "b-pyramid=normal:ref=5"),
    "h264_lossless_rgb.mkv": ("-c:v", "libx264rgb", "-qp", "0", "-g", "20"),
    "h264.mov": OPEN,
    "h264.3gp": CLOSED,
    "h264.f4v": OPEN,
    "h264.m2ts": (*OPEN, "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
    "h264_no_editlist.mp4": (*OPEN, "-use_editlist", "0"),
    "h264_negative.mp4": (*OPEN, "-movflags", "negative_cts_offsets"),
    "h264_cmaf.mp4": (*OPEN, "-movflags", "cmaf+frag_keyframe+empty_moov"),
    "h264_frag_each.mp4": (*OPEN, "-movflags", "frag_every_frame+empty_moov"),
    "h264_hybrid.mp4": (*OPEN, "-movflags", "hybrid_fragmented"),
    "h264_odd_timescale.mp4": (*OPEN, "-video_track_timescale", "29"),
    "h264_timescale_1000.mp4": (*OPEN, "-video_track_timescale", "1000", "-r", "29.97"),
    "h264_open.flv": OPEN,
    "h264_open.avi": OPEN,
    "h264_open.asf": OPEN,
    "h264_open.mpg": (*OPEN, "-f", "vob"),
    "h264_open.nut": OPEN,
    "h264_open.wtv": OPEN,
    "h264_open.mxf": (*X264, "-profile:v", "high422", "-pix_fmt", "yuv422p10le", "-g", "20", "-r", "25"),
    "h264_refresh.ts": REFRESH,
    "h264_refresh.flv": REFRESH,
    "h264_refresh.avi": REFRESH,
    "hevc_open.flv": X265_OPEN,
    "av1.flv": SVT,
    "vp9.flv": VP9,
    "varied_rate.webm": (*VP9, "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/90000"),
    "varied_rate.ts": (*OPEN, "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/90000"),
    "varied_rate.flv": (*OPEN, "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/1000"),
    "varied_rate.wmv": ("-c:v", "wmv2", "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/1000"),
    "varied_rate.mpg": (
        "-c:v",
        "mpeg2video",
        "-g",
        "15",
        "-bf",
        "2",
        "-vf",
        "select='lt(mod(n,7),4)'",
        "-fps_mode",
        "vfr",
    ),
    "varied_rate.avi": ("-c:v", "mpeg4", "-g", "20", "-vf", "select='lt(mod(n,7),4)'", "-fps_mode", "vfr"),
    "late_start.flv": (*CLOSED, "-output_ts_offset", "5"),
    "late_start.mpg": (*MPEG2, "-output_ts_offset", "5"),
    "late_start.webm": (*VP9, "-output_ts_offset", "5"),
    "late_start.wmv": ("-c:v", "wmv2", "-output_ts_offset", "5"),
    "late_start.avi": ("-c:v", "mpeg4", "-output_ts_offset", "5"),
    "wrap.ts": (*OPEN, "-output_ts_offset", "95442"),
    "wrap.mpg": (*MPEG2, "-output_ts_offset", "95442"),
    "xvid.avi": XVID,
    "xvid.mkv": XVID,
    "xvid.mp4": XVID,
    "mpeg4.m4v": ("-c:v", "mpeg4", "-g", "20", "-bf", "2", "-f", "m4v"),
    "mpeg4.mov": ("-c:v", "mpeg4", "-g", "20", "-bf", "2"),
    "mpeg4.mkv": ("-c:v", "mpeg4", "-g", "20", "-bf", "2"),
    "mpeg4.ts": ("-c:v", "mpeg4", "-g", "20", "-bf", "2"),
    "mpeg2.m2v": (*MPEG2, "-f", "mpeg2video"),
    "mpeg2.avi": MPEG2,
    "mpeg2_422.mxf": ("-c:v", "mpeg2video", "-pix_fmt", "yuv422p", "-g", "12", "-bf", "2", "-r", "25"),
    "mpeg2.mp4": MPEG2,
    "mpeg2.nut": MPEG2,
    "mpeg2_low_delay.ts": ("-c:v", "mpeg2video", "-g", "15", "-bf", "0", "-flags", "+low_delay"),
    "mpeg2_vob.vob": MPEG2,
    "mpeg2_closed.mpg": (*MPEG2, "-flags", "+cgop", "-sc_threshold", "1000000000"),
    "mpeg2_interlaced.mpg": (*MPEG2, "-flags", "+ildct+ilme"),
    "mpeg2_23976.mpg": (*MPEG2, "-r", "24000/1001"),
    "mpeg1.avi": ("-c:v", "mpeg1video", "-g", "15", "-bf", "2"),
    "mpeg1.mp4": ("-c:v", "mpeg1video", "-g", "15", "-bf", "2"),
    "mjpeg.mkv": ("-c:v", "mjpeg"),
    "mjpeg.mp4": ("-c:v", "mjpeg"),
    "mjpeg_444.avi": ("-c:v", "mjpeg", "-pix_fmt", "yuvj444p"),
    "prores_aw.mov": ("-c:v", "prores_aw"),
    "prores_4444.mov": ("-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuv444p10le"),
    "prores.mkv": ("-c:v", "prores_ks"),
    "prores_interlaced.mov": ("-c:v", "prores_ks", "-flags", "+ildct"),
    "dv.avi": ("-c:v", "dvvideo", "-s", "720x576", "-r", "25", "-pix_fmt", "yuv420p"),
    "dv.dv": ("-c:v", "dvvideo", "-s", "720x480", "-r", "30000/1001", "-pix_fmt", "yuv411p"),
    "wmv1.wmv": ("-c:v", "wmv1", "-g", "20"),
    "wmv2.avi": ("-c:v", "wmv2", "-g", "20"),
    "wmv2.mkv": ("-c:v", "wmv2", "-g", "20"),
    "mpeg4.wmv": ("-c:v", "mpeg4", "-g", "20"),
    "msmpeg4v2.avi": ("-c:v", "msmpeg4v2", "-g", "20"),
    "msmpeg4.wmv": ("-c:v", "msmpeg4", "-g", "20"),
    "huffyuv.avi": ("-c:v", "huffyuv"),
    "ffvhuff.mkv": ("-c:v", "ffvhuff"),
    "utvideo.avi": ("-c:v", "utvideo"),
    "magicyuv.avi": ("-c:v", "magicyuv"),
    "cinepak.avi": ("-c:v", "cinepak", "-t", "1"),
    "svq1.mov": ("-c:v", "svq1"),
    "rv20.rm": ("-c:v", "rv20", "-s", "176x144"),
    "rv10.rm": ("-c:v", "rv10", "-s", "176x144"),
    "cfhd.mov": ("-c:v", "cfhd", "-s", "320x240"),
    "snow.mkv": ("-c:v", "snow", "-g", "20"),
    "zmbv.avi": ("-c:v", "zmbv", "-g", "20"),
    "flashsv.flv": ("-c:v", "flashsv"),
    "vc2.mkv": ("-c:v", "vc2", "-pix_fmt", "yuv422p"),
    "jpeg2000.mov": ("-c:v", "jpeg2000", "-t", "1"),
    "jpeg2000.mxf": ("-c:v", "jpeg2000", "-t", "1", "-r", "25"),
    "v210.mov": ("-c:v", "v210", "-t", "1"),
    "raw.mkv": ("-c:v", "rawvideo", "-t", "1"),
    "raw.y4m": ("-t", "1"),
    "raw_bgr.avi": ("-c:v", "rawvideo", "-pix_fmt", "bgr24", "-t", "1"),
    "raw_yuy2.avi": ("-c:v", "rawvideo", "-pix_fmt", "yuyv422", "-t", "1"),
    "theora.mkv": ("-c:v", "libtheora", "-g", "20"),
    "vp8.ogv": ("-c:v", "libvpx", "-g", "20", "-b:v", "200k"),
    "vvc.mp4": ("-c:v", "libvvenc", "-preset", "faster", "-g", "16", "-pix_fmt", "yuv420p10le", "-t", "1.5"),
    "vvc.ts": ("-c:v", "libvvenc", "-preset", "faster", "-g", "16", "-pix_fmt", "yuv420p10le", "-t", "1.5"),
    "h261.mkv": ("-c:v", "h261", "-s", "176x144"),
    "h263.avi": ("-c:v", "h263", "-s", "176x144"),
    "h263p.mkv": ("-c:v", "h263p", "-g", "20"),
    "qtrle_pal.mov": ("-c:v", "qtrle", "-pix_fmt", "gray"),
    "pal8.avi": ("-c:v", "rawvideo", "-pix_fmt", "pal8", "-t", "1"),
    "gif.mkv": ("-c:v", "gif", "-t", "1"),
    "apng.mkv": ("-c:v", "png", "-pix_fmt", "rgba", "-t", "1"),
    "bmp.avi": ("-c:v", "bmp", "-t", "1"),
    "tiff.mov": ("-c:v", "tiff", "-t", "1"),
    "rpza.mov": ("-c:v", "rpza"),
    "smc.mov": ("-c:v", "smc"),
    "msvideo1.avi": ("-c:v", "msvideo1"),
    "exr.mov": ("-c:v", "exr", "-t", "0.3"),
    "gray10.mkv": ("-c:v", "ffv1", "-pix_fmt", "gray10le"),
    "p16.mkv": ("-c:v", "ffv1", "-pix_fmt", "yuv444p16le", "-t", "1"),
    "rgb48.mkv": ("-c:v", "ffv1", "-pix_fmt", "rgb48le", "-t", "1"),
    "yuv410.mkv": ("-c:v", "ffv1", "-pix_fmt", "yuv410p"),
    "mono.nut": ("-c:v", "rawvideo", "-pix_fmt", "monow", "-t", "1"),
    "sar.mp4": (*CLOSED, "-vf", "setsar=4/3"),
    "tiny.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-vf", "scale=2:2"),
    "odd.webm": (*VP9, "-vf", "scale=161:121"),
    "odd_hevc.mp4": (*X265_OPEN, "-vf", "scale=162:118"),
    "odd.mpg": (*MPEG2, "-vf", "scale=162:118"),
    "one.webm": (*VP9, "-frames:v", "1"),
    "one.avi": ("-c:v", "mpeg4", "-frames:v", "1"),
    "one.flv": (*X264, "-frames:v", "1"),
    "one.mpg": (*MPEG2, "-frames:v", "1"),
    "one.wmv": ("-c:v", "wmv2", "-frames:v", "1"),
    "one_mjpeg.avi": ("-c:v", "mjpeg", "-frames:v", "1"),
    "two.mp4": (*X264, "-frames:v", "2"),
    "slow.mp4": (*X264, "-r", "0.1", "-t", "40", "-bf", "2"),
    "fast.mp4": (*X264, "-r", "240", "-t", "1"),
    "fast.mkv": (*X264, "-r", "999", "-t", "0.5"),
    "smpte170m.mp4": (*CLOSED, "-colorspace", "smpte170m"),
    "bt2020.mp4": (*CLOSED, "-colorspace", "bt2020nc"),
    "fcc.mp4": (*CLOSED, "-colorspace", "fcc"),
    "full.webm": (*VP9, "-color_range", "pc"),
    "full.mkv": (*CLOSED, "-color_range", "pc"),
}
"""More kinds, each of its own codec, container, structure of groups, clock or pixel format."""

DERIVED: dict[str, tuple[str, ...]] = {
    "edit_list.mp4": ("-ss", "1.3", "-i", "h264_closed.mp4", "-c", "copy"),
    "edit_list_open.mp4": ("-ss", "1.3", "-i", "h264_open.mp4", "-c", "copy"),
    "edit_list_hevc.mp4": ("-ss", "1.3", "-i", "hevc_open.mp4", "-c", "copy"),
    "cut_in_group.ts": ("-ss", "1.3", "-i", "h264_open.ts", "-c", "copy"),
    "turned_90.mp4": ("-display_rotation", "90", "-i", "h264_closed.mp4", "-c", "copy"),
    "turned_180.mp4": ("-display_rotation", "180", "-i", "h264_closed.mp4", "-c", "copy"),
    "turned_270.mp4": ("-display_rotation", "270", "-i", "h264_closed.mp4", "-c", "copy"),
    "mirrored.mp4": ("-display_hflip", "-i", "h264_closed.mp4", "-c", "copy"),
    "upside_down.mp4": ("-display_vflip", "-i", "h264_closed.mp4", "-c", "copy"),
    "turned_mirrored.mp4": (
        "-display_rotation",
        "90",
        "-display_hflip",
        "-i",
        "h264_closed.mp4",
        "-c",
        "copy",
    ),
    "longer_sound.mp4": (
        *("-i", "h264_closed.mp4", "-f", "lavfi", "-i", "sine=d=9", "-map", "0:v", "-map", "1:a"),
        *("-c:v", "copy", "-c:a", "aac"),
    ),
    "with_cover.mp4": (
        *("-i", "h264_closed.mp4", "-f", "lavfi", "-i", "color=red:s=64x64", "-map", "1", "-map", "0"),
        *("-c:v:0", "mjpeg", "-frames:v:0", "1", "-c:v:1", "copy", "-disposition:v:0", "attached_pic"),
    ),
    "cover_only.m4a": (
        *(
            "-f",
            "lavfi",
            "-i",
            "sine=d=2",
            "-f",
            "lavfi",
            "-i",
            "color=red:s=64x64",
            "-map",
            "0",
            "-map",
            "1",
        ),
        *("-c:a", "aac", "-c:v", "mjpeg", "-frames:v", "1", "-disposition:v", "attached_pic"),
    ),
    "delayed.mp4": (
        *("-f", "lavfi", "-i", "sine=d=4", "-itsoffset", "1.2", "-i", "h264_open.mp4"),
        *("-map", "1:v", "-map", "0:a", "-c:v", "copy", "-c:a", "aac"),
    ),
    "delayed.mkv": (
        *("-f", "lavfi", "-i", "sine=d=4", "-itsoffset", "1.2", "-i", "h264_open.mp4"),
        *("-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "aac"),
    ),
    "early.mp4": (
        *("-itsoffset", "1.2", "-f", "lavfi", "-i", "sine=d=2", "-i", "h264_open.mp4"),
        *("-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "aac"),
    ),
    "live.webm": ("-i", "vp9.webm", "-c", "copy", "-live", "1"),
    "live.mkv": ("-i", "h264_open.mkv", "-c", "copy", "-live", "1", "-cluster_time_limit", "300"),
    "two_tracks.mkv": (
        *("-i", "h264_open.mkv", "-i", "vp9.webm", "-map", "0", "-map", "1", "-c", "copy"),
        *("-disposition:v:0", "0", "-disposition:v:1", "default"),
    ),
    "cut_in_group.mkv": ("-ss", "1.3", "-i", "hevc_open.mkv", "-c", "copy"),
    "cut_in_group.flv": ("-ss", "1.3", "-i", "h264_open.flv", "-c", "copy"),
    "cut_in_group.mpg": ("-ss", "1.3", "-i", "mpeg2.mpg", "-c", "copy"),
    "cut_in_group.webm": ("-ss", "1.3", "-i", "vp9.webm", "-c", "copy"),
    "cut_in_group.avi": ("-ss", "1.3", "-i", "mpeg4.avi", "-c", "copy"),
    "cut_in_group.wmv": ("-ss", "1.3", "-i", "wmv2.wmv", "-c", "copy"),
    "cut_in_group_hevc.ts": ("-ss", "1.3", "-i", "hevc_open.ts", "-c", "copy"),
    "turned_10bit.mp4": ("-display_rotation", "90", "-i", "h264_10bit.mp4", "-c", "copy"),
    "turned.mkv": ("-display_rotation", "90", "-i", "h264_open.mkv", "-c", "copy"),
    "turned.mov": ("-display_rotation", "270", "-i", "prores.mov", "-c", "copy"),
    "slow_motion.mp4": ("-itsscale", "4", "-i", "h264_open.mp4", "-c", "copy"),
    "index_first.mp4": ("-i", "h264_closed.mp4", "-c", "copy", "-movflags", "+faststart"),
    "smaller_later.ts": (
        *("-i", "h264_closed.mp4", "-vf", "scale=80:60"),
        *(*CLOSED, "-output_ts_offset", "4.4"),
    ),
}


EDITS: dict[str, tuple[tuple[float, float | None, int], ...]] = {
    "two": ((0.5, 1.0, 1), (1.0, 0.2, 1)),
    "repeat": ((1.0, 0.3, 1), (1.0, 0.3, 1)),
    "empty": ((0.7, None, 1), (2.0, 0.5, 1)),
    "gap": ((0.7, 0.0, 1), (0.5, None, 1), (1.0, 1.4, 1)),
    "dwell": ((0.7, 0.0, 1), (1.0, 0.7, 0), (1.0, 0.7, 1)),
    "no_length": ((0.0, 0.4, 1),),
    "too_long": ((30.0, 0.4, 1),),
    "backward": ((1.0, 2.0, 1), (1.0, 1.0, 1), (1.0, 0.0, 1)),
}
"""Edit lists: how long, from which second of the picture (None: nothing is shown), at which speed."""


def with_edits(data: bytes, edits: tuple[tuple[float, float | None, int], ...]) -> bytes:
    """An MP4 clip of the pattern, its index at the end, with another edit list."""
    ticks, delay = 15360, 1024  # As ffmpeg writes 30 frames a second with two frames of delay.
    entries = b"".join(
        struct.pack(">IiI", int(length * 1000), -1 if at is None else int(at * ticks) + delay, speed << 16)
        for length, at, speed in edits
    )
    place = data.find(b"elst") - 4
    old = int.from_bytes(data[place : place + 4], "big")
    box = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    changed = bytearray(data[:place] + box + data[place + old :])
    for name in (b"edts", b"trak", b"moov"):
        at = data.rfind(name, 0, place) - 4
        size = int.from_bytes(data[at : at + 4], "big")
        changed[at : at + 4] = (size + len(box) - old).to_bytes(4, "big")
    return bytes(changed)


class ClipMaker:
    """Makes clips by name into one folder, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> Path:
        path = self.folder / name
        if path.exists():
            return path
        recipes = RECIPES | RARE
        if name in recipes:
            arguments: tuple[str, ...] = (*PATTERN, "-threads", "1", *recipes[name])
        else:
            arguments = tuple(str(self(a)) if a in recipes else a for a in DERIVED[name])
        command = [program(), "-nostdin", "-v", "error", "-y", *arguments, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        return path
